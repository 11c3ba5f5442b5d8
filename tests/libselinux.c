/* Stands in for libselinux on a machine whose kernel has no SELinux. It knows nobody but nobody and root, whose contexts
   are USER:role:type:RANGE, and lets no job into a file named "foreign", nor into the range s9. In the directory
   STAND_IN the file ENFORCE says that it enforces, and TOLD is told of each context that is set: by which process, as
   which user. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *path(const char *name)
{
	static char text[4096];
	snprintf(text, sizeof text, "%s/%s", STAND_IN, name);
	return text;
}

static int refused(int why)
{
	errno = why;
	return -1;
}

int is_selinux_enabled(void) { return 1; }

int security_getenforce(void) { return access(path("ENFORCE"), F_OK) == 0; }

int getseuserbyname(const char *login, char **user, char **range)
{
	if (strcmp(login, "nobody") != 0 && strcmp(login, "root") != 0)
		return refused(ENOENT);
	*user = strdup(strcmp(login, "root") == 0 ? "root_u" : "user_u");
	*range = strdup("s0-s3");
	return 0;
}

int get_default_context_with_level(const char *user, const char *range, const char *from, char **context)
{
	if (from != NULL)
		return refused(EINVAL);
	return asprintf(context, "%s:role:type:%s", user, range ? range : "s0") < 0 ? -1 : 0;
}

int getfilecon(const char *file, char **context)
{
	if (access(file, F_OK) != 0)
		return -1;
	return asprintf(context, "file_u:role:%s:s0", strstr(file, "foreign") ? "foreign" : "spool");
}

int selinux_check_access(const char *source, const char *target, const char *class, const char *permission, void *audit)
{
	if (strncmp(source, "file_u", 6) == 0 || audit != NULL)
		return refused(EINVAL);
	if (strcmp(class, "file") == 0 && strcmp(permission, "entrypoint") == 0 && !strstr(target, "foreign"))
		return 0;
	if (strcmp(class, "context") == 0 && strcmp(permission, "contains") == 0 && !strstr(target, ":s9"))
		return 0;
	return security_getenforce() ? refused(EACCES) : 0;
}

int setexeccon(const char *context)
{
	char line[4096];
	int told = open(path("TOLD"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	int length = snprintf(line, sizeof line, "%d %d %s\n", getpid(), geteuid(), context);
	if (told < 0 || write(told, line, length) != length)
		return -1;
	close(told);
	return strstr(context, "s3:c9") ? refused(EINVAL) : 0;
}

int setkeycreatecon(const char *context) { return context ? 0 : refused(EINVAL); }

void freecon(char *context) { free(context); }
