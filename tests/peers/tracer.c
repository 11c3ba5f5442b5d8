/* Runs a static program, as Debian's busybox with a crond is one, on a clock of its own: what the kernel is asked
 * about time, children and sleep is answered here.
 *
 * tracer SCRIPT RECORD ROOT PROGRAM ARGUMENT...
 *
 * SCRIPT has lines `FROM UNTIL`, as for clock.c. The program runs in ROOT. After each sleep `@TIME` is written to the
 * end of RECORD, in seconds since 1970, so that what the program writes there has a time; and `@end` at the end. No child is ever made: a program
 * that forks is told that it has a child, and when it waits, that the child has ended.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "written for x86-64 only"
#endif

static long long now, until;
static FILE *script;
static pid_t child;
static int record;

static void die(const char *what)
{
	perror(what);
	exit(99);
}

/* Whether there is one. */
static int next_segment(void)
{
	return fscanf(script, "%lld %lld", &now, &until) == 2;
}

static const int asked[] = { SYS_time, SYS_gettimeofday, SYS_clock_gettime, SYS_nanosleep, SYS_clock_nanosleep,
	SYS_fork, SYS_vfork, SYS_clone, SYS_wait4 };

static void run(char **words)
{
	enum { COUNT = sizeof asked / sizeof *asked };
	struct sock_filter filter[COUNT + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = { COUNT + 3, filter };

	for (int at = 0; at < COUNT; at++)
		filter[at + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, asked[at], COUNT - at, 0);
	filter[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	if (geteuid() != 0 && unshare(CLONE_NEWUSER) < 0)
		die("unshare");
	if (chroot(words[0]) < 0 || chdir("/") < 0)
		die(words[0]);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("seccomp");
	execv(words[1], words + 1);
	die(words[1]);
}

static long peek(unsigned long at)
{
	return ptrace(PTRACE_PEEKDATA, child, at, 0);
}

static void poke(unsigned long at, long value)
{
	if (at && ptrace(PTRACE_POKEDATA, child, at, value) < 0)
		die("poke");
}

/* Without the kernel's own code in the program, each look at the clock is a call. */
static void take_vdso(void)
{
	struct user_regs_struct registers;
	unsigned long at;

	ptrace(PTRACE_GETREGS, child, 0, &registers);
	at = registers.rsp + 8 * (peek(registers.rsp) + 2);
	while (peek(at))
		at += 8;
	for (at += 8; peek(at) != AT_NULL; at += 16) {
		if (peek(at) == AT_SYSINFO_EHDR)
			poke(at, AT_IGNORE);
	}
}

static int pass(long seconds)
{
	now += seconds;
	if (now >= until) {
		long long over = now - until;

		if (!next_segment())
			return 0;
		now += over;
	}
	dprintf(record, "@%lld\n", now);
	return 1;
}

/* Answers a call; false at the end of the script. */
static int answer(void)
{
	static long children = 1000;
	struct user_regs_struct registers;
	long result = 0;
	int goes_on = 1;

	ptrace(PTRACE_GETREGS, child, 0, &registers);
	switch (registers.orig_rax) {
	case SYS_time:
		poke(registers.rdi, now);
		result = now;
		break;
	case SYS_gettimeofday:
		poke(registers.rdi, now);
		poke(registers.rdi + 8, 0);
		break;
	case SYS_clock_gettime:
		poke(registers.rsi, now);
		poke(registers.rsi + 8, 0);
		break;
	case SYS_nanosleep:
		goes_on = pass(peek(registers.rdi));
		break;
	case SYS_clock_nanosleep:
		goes_on = pass(peek(registers.rdx));
		break;
	case SYS_wait4:
		result = (int)registers.rdi > 0 ? registers.rdi : -ECHILD;
		break;
	default:
		result = children++;
	}
	registers.orig_rax = -1;
	registers.rax = result;
	ptrace(PTRACE_SETREGS, child, 0, &registers);
	return goes_on;
}

int main(int count, char **words)
{
	int status;

	if (count < 5 || !(script = fopen(words[1], "re")) || !next_segment())
		die("tracer SCRIPT RECORD ROOT PROGRAM ARGUMENT...");
	record = open(words[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (record < 0)
		die(words[2]);
	child = fork();
	if (child == 0)
		run(words + 3);
	if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status))
		die("wait");
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC);
	ptrace(PTRACE_CONT, child, 0, 0);
	while (waitpid(child, &status, 0) == child) {
		int event = status >> 16;

		if (!WIFSTOPPED(status))
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (event == PTRACE_EVENT_EXEC)
			take_vdso();
		if (event == PTRACE_EVENT_SECCOMP && !answer()) {
			dprintf(record, "@end\n");
			return 0;
		}
		ptrace(PTRACE_CONT, child, 0, event ? 0 : WSTOPSIG(status));
	}
	die("wait");
}
