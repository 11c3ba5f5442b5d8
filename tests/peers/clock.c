/* Loaded in front of libc in another cron: it lives on a clock of its own, finds its files below a directory of the
 * test's, and what it would start is written down instead of started.
 *
 * PEER_SCRIPT names a file of lines `FROM UNTIL`, in seconds since 1970: the clock runs from the first to the second
 * and then is set to the first of the next line; after the last line the program ends. It stands still while the
 * program works and jumps when it sleeps. PEER_ROOT is put before the paths of crons. PEER_RECORD is written to:
 *
 *   E ID TABLE COMMAND  an entry that was read, with its command as it was kept
 *   X SHELL COMMAND ENVIRONMENT   what would be executed, the first time an entry is started
 *   S TEXT              its standard input, if there is any
 *   F TIME ID           an entry has been started: this one
 *   P TIME PACKET       bcron's scheduler asks for a start
 *
 * Texts are hexadecimal. A cron of Vixie's line forks once for each job of its queue, and then frees the job: so what
 * a fork was for is found in the block that is freed next, whose three pointers have stayed the same since 1993 (the
 * next job, the entry, its table). PEER_TABLE and PEER_CRONTAB say where a table has its name and its entries; an entry
 * has its command at 24. Where that is no longer so, the sentinel that every run has is not found.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REAL(type, name, ...) type (*real)(__VA_ARGS__) = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* Milliseconds since 1970. */
static long long now, until;
/* Seconds. */
static time_t began;
static FILE *script;
static int record = -1, ticking, depth;
static char text[1 << 16];
static size_t written;
static const char *root;

static void flush(void)
{
	size_t done = 0;

	while (done < written) {
		ssize_t count = write(record, text + done, written - done);

		if (count <= 0)
			_exit(98);
		done += count;
	}
	written = 0;
}

static void put(const char *what)
{
	size_t length = strlen(what);

	if (written + length > sizeof text)
		flush();
	memcpy(text + written, what, length);
	written += length;
}

static void put_number(const char *before, long long number)
{
	char digits[32];

	put(before);
	snprintf(digits, sizeof digits, "%lld", number);
	put(digits);
}

static void put_hex(const char *before, const char *bytes, size_t length)
{
	char digits[3];

	put(before);
	for (size_t at = 0; at < length; at++) {
		snprintf(digits, sizeof digits, "%02x", (unsigned char)bytes[at]);
		put(digits);
	}
}

static void next_segment(void)
{
	long long from, to;

	if (fscanf(script, "%lld %lld", &from, &to) != 2) {
		put("end\n");
		flush();
		_exit(0);
	}
	now = from * 1000;
	until = to * 1000;
}

__attribute__((constructor)) static void begin(void)
{
	if (!getenv("PEER_SCRIPT"))
		return;
	root = getenv("PEER_ROOT");
	script = fopen(getenv("PEER_SCRIPT"), "re");
	record = open(getenv("PEER_RECORD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (!script || record < 0)
		_exit(97);
	next_segment();
	began = now / 1000;
}

/* The clock. */

time_t time(time_t *into)
{
	if (into)
		*into = now / 1000;
	return now / 1000;
}

int gettimeofday(struct timeval *into, void *zone)
{
	into->tv_sec = now / 1000;
	into->tv_usec = now % 1000 * 1000;
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *into)
{
	into->tv_sec = now / 1000;
	into->tv_nsec = now % 1000 * 1000000;
	return 0;
}

static void pass(long long milliseconds)
{
	ticking = 1;
	now += milliseconds;
	if (now >= until) {
		long long over = now - until;

		next_segment();
		now += over;
	}
}

unsigned sleep(unsigned seconds)
{
	pass(seconds * 1000LL);
	return 0;
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	pass(timeout > 0 ? timeout : 1);
	return 0;
}

/* What is started. */

struct job { void *next; char *entry, *table; };

static struct job *queue[1 << 16];
static unsigned first, last;
/* What the last fork came to, until the job is freed. */
static int shown;
static char *guess;
static enum { NOT_YET, REALLY, NOT_REALLY } forked;
static char *seen[1 << 20];

void *__libc_malloc(size_t);
void __libc_free(void *);

void *malloc(size_t size)
{
	void *memory = __libc_malloc(size);

	if (ticking && depth == 0 && size == sizeof(struct job))
		queue[last++ % (1 << 16)] = memory;
	return memory;
}

/* Where a block is, or would be, among the tables and the entries that have been seen to start. */
static char **place_of(char *block)
{
	unsigned at = (unsigned long)block / 16 * 2654435761u % (1 << 20);

	while (seen[at] && seen[at] != block)
		at = (at + 1) % (1 << 20);
	return &seen[at];
}

static char *pointer(char *base, const char *offset)
{
	return *(char **)(base + atoi(getenv(offset)));
}

static void show_tables(char *table)
{
	while (((char **)table)[1])
		table = ((char **)table)[1];
	for (; table; table = *(char **)table) {
		char *name = pointer(table, "PEER_TABLE");

		*place_of(table) = table;
		if (!name)
			name = ((char **)table)[2];
		for (char *entry = pointer(table, "PEER_CRONTAB"); entry; entry = *(char **)entry) {
			char *command = *(char **)(entry + 24);

			put_number("E ", (long long)entry);
			put_hex(" ", name, strlen(name));
			put_hex(" ", command, strlen(command));
			put("\n");
		}
	}
}

/* The job that is next in the queue, most likely: libc asks for blocks of that size too. */
static struct job *next_job(void)
{
	while (first != last) {
		struct job *job = queue[first % (1 << 16)];

		if (!shown || *place_of(job->table))
			return job;
		first++;
	}
	return 0;
}

/* The first block to be freed after a fork is the job's. */
void free(void *memory)
{
	if (forked && memory) {
		struct job *job = memory;

		if (!shown++)
			show_tables(job->table);
		put_number("F ", now / 1000);
		put_number(" ", (long long)job->entry);
		put("\n");
		if (forked == REALLY) {
			/* A guess that was wrong is not made again. */
			if (guess && *place_of(job->entry))
				*place_of(guess) = guess;
			*place_of(job->entry) = job->entry;
		}
		forked = 0;
		for (unsigned at = first; at != last; at++) {
			if (queue[at % (1 << 16)] == job) {
				first = at + 1;
				break;
			}
		}
	}
	__libc_free(memory);
}

pid_t fork(void)
{
	static int children;
	REAL(pid_t, "fork", void);
	pid_t pid;

	if (record < 0)
		return real();
	if (depth == 1 && children++ > 0) {
		/* The child that writes standard input. */
		depth = 3;
		put("S ");
		return 0;
	}
	if (depth == 0) {
		struct job *job = next_job();

		if (!ticking)
			return 12345;
		guess = job ? job->entry : 0;
		forked = shown && job && *place_of(job->entry) ? NOT_REALLY : REALLY;
		if (forked == NOT_REALLY)
			return 12345;
	}
	flush();
	pid = real();
	if (pid == 0) {
		forked = 0;
		depth++;
	} else {
		waitpid(pid, 0, 0);
	}
	return pid;
}

static int put_started(const char *shell, const char *command, char *const *environment)
{
	put_hex("X ", shell, strlen(shell));
	put_hex(" ", command, strlen(command));
	put(" ");
	for (; *environment; environment++) {
		put_hex("", *environment, strlen(*environment) + 1);
	}
	put("\n");
	flush();
	_exit(0);
}

int execle(const char *path, const char *name, ...)
{
	const char *command = "";
	char *const *environment;
	const char *word;
	va_list words;

	va_start(words, name);
	while ((word = va_arg(words, const char *)))
		command = word;
	environment = va_arg(words, char *const *);
	return put_started(path, command, environment);
}

int putc(int byte, FILE *file)
{
	REAL(int, "putc", int, FILE *);
	char one = byte;

	if (depth != 3)
		return real(byte, file);
	put_hex("", &one, 1);
	return byte;
}

void _exit(int status)
{
	REAL(void, "_exit", int);

	if (depth == 3) {
		put("\n");
		depth = 4;
		flush();
	}
	real(status);
	__builtin_unreachable();
}

void exit(int status)
{
	REAL(void, "exit", int);

	if (depth > 0)
		_exit(status);
	real(status);
	__builtin_unreachable();
}

ssize_t write(int fd, const void *bytes, size_t count)
{
	REAL(ssize_t, "write", int, const void *, size_t);

	if (fd != 1 || record < 0 || depth)
		return real(fd, bytes, count);
	put_number("P ", now / 1000);
	put_hex(" ", bytes, count);
	put("\n");
	return count;
}

/* Where it looks. */

static const char *there(const char *path)
{
	static const char *const moved[] = { "/etc/cron", "/etc/localtime.none", "/var/spool/cron", "/run/", "/var/run/", 0 };
	static char paths[4][4096];
	static int turn;

	for (int at = 0; root && moved[at]; at++) {
		if (strncmp(path, moved[at], strlen(moved[at])) == 0) {
			char *place = paths[turn++ % 4];

			snprintf(place, sizeof paths[0], "%s%s", root, path);
			return place;
		}
	}
	return path;
}

int open(const char *path, int flags, ...)
{
	REAL(int, "open", const char *, int, ...);
	va_list more;
	int mode;

	va_start(more, flags);
	mode = va_arg(more, int);
	va_end(more);
	return real(there(path), flags, mode);
}

int creat(const char *path, mode_t mode)
{
	return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	REAL(FILE *, "fopen", const char *, const char *);

	return real(there(path), mode);
}

DIR *opendir(const char *path)
{
	REAL(DIR *, "opendir", const char *);

	return ticking && getenv("PEER_TABLE") ? 0 : real(there(path));
}

int access(const char *path, int mode)
{
	REAL(int, "access", const char *, int);

	return real(there(path), mode);
}

/* A job has no descriptors of the daemon's; this one is ours. */
int close(int fd)
{
	REAL(int, "close", int);

	return fd == record && record >= 0 ? 0 : real(fd);
}

int mkdir(const char *path, mode_t mode)
{
	return 0;
}

int chown(const char *path, uid_t uid, gid_t gid)
{
	return 0;
}

int chdir(const char *path)
{
	REAL(int, "chdir", const char *);

	return depth > 0 ? 0 : real(there(path));
}

/* Files belong to root and never change. */
static int owned(int result, struct stat *file)
{
	file->st_uid = file->st_gid = 0;
	file->st_mtime = file->st_ctime = began - 1;
	return result;
}

int stat(const char *path, struct stat *file)
{
	REAL(int, "stat", const char *, struct stat *);

	if (ticking && getenv("PEER_TABLE")) {
		memset(file, 0, sizeof *file);
		file->st_mode = S_IFREG | 0600;
		file->st_nlink = 1;
		return owned(0, file);
	}
	return owned(real(there(path), file), file);
}

int lstat(const char *path, struct stat *file)
{
	REAL(int, "lstat", const char *, struct stat *);

	return owned(real(there(path), file), file);
}

int fstat(int fd, struct stat *file)
{
	REAL(int, "fstat", int, struct stat *);

	return owned(real(fd, file), file);
}

/* Who there is: root, nobody, and whoever has a crontab. */

struct passwd *getpwnam(const char *name)
{
	static struct passwd user;
	static char copy[256];
	int root = strcmp(name, "root") == 0 || strncmp(name, "admin", 5) == 0;

	if (!root && strcmp(name, "nobody") != 0 && strncmp(name, "user", 4) != 0)
		return 0;
	snprintf(copy, sizeof copy, "%s", name);
	user.pw_name = copy;
	user.pw_passwd = user.pw_gecos = "";
	user.pw_dir = "/";
	user.pw_shell = "/bin/sh";
	user.pw_uid = user.pw_gid = root ? 0 : 1000;
	return &user;
}

uid_t getuid(void) { return 0; }
uid_t geteuid(void) { return 0; }
int setuid(uid_t uid) { return 0; }
int seteuid(uid_t uid) { return 0; }
int setgid(gid_t gid) { return 0; }
int setegid(gid_t gid) { return 0; }
int setreuid(uid_t real, uid_t effective) { return 0; }
int setregid(gid_t real, gid_t effective) { return 0; }
int initgroups(const char *name, gid_t gid) { return 0; }

/* What is said, and PAM. */

void openlog(const char *name, int options, int facility) { }
void syslog(int priority, const char *format, ...) { }
void __syslog_chk(int priority, int flag, const char *format, ...) { }
int pam_start(const char *service, const char *user, const void *talk, void **into) { *into = 0; return 0; }
int pam_set_item(void *pam, int item, const void *value) { return 0; }
int pam_acct_mgmt(void *pam, int flags) { return 0; }
int pam_setcred(void *pam, int flags) { return 0; }
int pam_open_session(void *pam, int flags) { return 0; }
int pam_close_session(void *pam, int flags) { return 0; }
int pam_end(void *pam, int status) { return 0; }
char **pam_getenvlist(void *pam) { return calloc(1, sizeof(char *)); }
