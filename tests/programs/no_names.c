/* Loaded in front of libc: while the file named by RAT_TEST_HANG is there, nobody knows whose uid it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

typedef int lookup(uid_t, struct passwd *, char *, size_t, struct passwd **);

int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **result)
{
	const char *file = getenv("RAT_TEST_HANG");

	if (file && access(file, F_OK) == 0) {
		*result = NULL;
		return EIO;
	}
	return ((lookup *)dlsym(RTLD_NEXT, "getpwuid_r"))(uid, entry, buffer, size, result);
}
