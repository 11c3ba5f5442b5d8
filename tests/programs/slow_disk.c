/* Loaded in front of libc: while the file named by RAT_TEST_HANG is there, fsync and fdatasync do not return. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void hang(void)
{
	const char *file = getenv("RAT_TEST_HANG");
	struct timespec moment = { 0, 5000000 };

	while (file && access(file, F_OK) == 0)
		nanosleep(&moment, 0);
}

int fsync(int fd)
{
	hang();
	return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd)
{
	hang();
	return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
