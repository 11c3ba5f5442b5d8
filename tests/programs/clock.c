/* Loaded in front of libc: the program lives on clocks of its own, which stand still while it works and jump to the
 * instant its timer is armed for when nothing else is to be done.
 *
 * RAT_SIM_FROM and RAT_SIM_UNTIL: seconds since 1970; the clock stands at the first until ratd says that it is ready and
 * the file named by RAT_SIM_GO is there, and does not pass the second. RAT_SIM_QUIET: so many milliseconds without an event count as nothing to be
 * done. RAT_SIM_EVENTS: a file with lines "SECONDS sleep LENGTH" (the machine sleeps), "SECONDS set LENGTH" (the clock
 * is set forward, or back by a negative length) and "SECONDS hold LENGTH" (the program does not get to run), in the order
 * of their instants by the clock.
 * At the end "sim: the end" is written to standard error. RAT_SIM_TELL: what is written there begins with the instant by
 * the clock, in seconds since 1970, and no run that it says to be started is left behind: the clock waits for its end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static struct timespec wall, until, armed;
static int timer = -1, quiet, ready, ended, running;
/* The clock of the time since boot is this far behind that on the wall, and the one that stops in sleep more. */
static time_t boot_behind, behind;

static struct event {
	time_t at;
	char what[8];
	long length;
} *events;
static int left;

static int before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static void read_events(const char *path)
{
	FILE *file = path ? fopen(path, "r") : 0;
	struct event event;
	long long at;

	while (file && fscanf(file, "%lld %7s %ld", &at, event.what, &event.length) == 3) {
		event.at = at;
		events = realloc(events, (left + 1) * sizeof event);
		events[left++] = event;
	}
	if (file)
		fclose(file);
}

__attribute__((constructor)) static void begin(void)
{
	const char *from = getenv("RAT_SIM_FROM"), *to = getenv("RAT_SIM_UNTIL"), *wait = getenv("RAT_SIM_QUIET");

	wall.tv_sec = from ? atoll(from) : 0;
	until.tv_sec = to ? atoll(to) : 0;
	quiet = wait ? atoi(wait) : 5;
	boot_behind = behind = wall.tv_sec - 1000;
	read_events(getenv("RAT_SIM_EVENTS"));
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	*now = wall;
	if (clock == CLOCK_BOOTTIME)
		now->tv_sec -= boot_behind;
	else if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		now->tv_sec -= behind;
	return 0;
}

static int may_go(void)
{
	const char *file = getenv("RAT_SIM_GO");

	if (!ready || running > 0)
		return 0;
	return !file || access(file, F_OK) == 0;
}

static int arm(int fd, int flags, const struct itimerspec *value)
{
	int (*real)(int, int, const struct itimerspec *, struct itimerspec *) = dlsym(RTLD_NEXT, "timerfd_settime");

	return real(fd, flags, value, 0);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	struct itimerspec never = { { 0, 0 }, { 0, 0 } };

	timer = fd;
	armed = value->it_value;
	return arm(fd, 0, &never);
}

/* What happens to the clocks before the next instant that is waited for. */
static int happens(const struct timespec *next)
{
	struct event event;

	if (left == 0 || events[0].at > next->tv_sec)
		return 0;
	event = *events++;
	left--;
	if (wall.tv_sec < event.at) {
		wall.tv_sec = event.at;
		wall.tv_nsec = 0;
	}
	wall.tv_sec += event.length;
	if (strcmp(event.what, "hold") != 0)
		behind += event.length;
	if (strcmp(event.what, "set") == 0)
		boot_behind += event.length;
	return 1;
}

static int tells(const void *text, size_t length, const char *part)
{
	return memmem(text, length, part, strlen(part)) != 0;
}

ssize_t write(int fd, const void *text, size_t length)
{
	ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
	char instant[24];

	if (fd == 2)
		ready |= tells(text, length, "ready: ") || tells(text, length, "stop with Ctrl-C");
	if (fd == 2 && getenv("RAT_SIM_TELL")) {
		snprintf(instant, sizeof instant, "%lld ", (long long)wall.tv_sec);
		real(fd, instant, strlen(instant));
		running += tells(text, length, ": started ");
		running -= tells(text, length, ": exited with status ") + tells(text, length, ": was killed by signal ");
		running -= tells(text, length, ": was not started: ") + tells(text, length, ": is lost: ");
	}
	return real(fd, text, length);
}

int epoll_wait(int set, struct epoll_event *found, int most, int timeout)
{
	int (*real)(int, struct epoll_event *, int, int) = dlsym(RTLD_NEXT, "epoll_wait");
	struct itimerspec now = { { 0, 0 }, { 0, 1 } };
	int count;

	if (timeout >= 0 || timer < 0)
		return real(set, found, most, timeout);
	do {
		count = real(set, found, most, ended ? -1 : quiet);
		if (count != 0)
			return count;
	} while (!may_go());
	if (!happens(before(&armed, &until) ? &armed : &until)) {
		if (before(&until, &armed)) {
			const char *said = "sim: the end\n";

			ended = 1;
			wall = until;
			(void)!write(2, said, strlen(said));
			return real(set, found, most, -1);
		}
		if (before(&wall, &armed))
			wall = armed;
	}
	/* By the real clock that instant is long gone, so the timer is ready at once; so it is by the kernel's hand when the
	 * clock is set or the machine wakes up. */
	arm(timer, TFD_TIMER_ABSTIME, &now);
	return real(set, found, most, -1);
}
