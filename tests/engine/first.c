/* What a program takes from exec to its first answer, and its memory then. For Linux.
 *
 *     first RUNS QUESTION PROGRAM [ARGUMENT...]
 *
 * Each run gets the file QUESTION as its standard input, which stays open until its memory was looked at, and
 * answers on its standard output. A line a run: nanoseconds from exec until the answer is read, KiB resident, KiB of
 * them that are no file's. Where the clock counts instructions (qemu's -icount shift=0), a nanosecond is one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Of /proc/PID/smaps_rollup, in KiB; -1 where it is not there. */
static long memory(pid_t pid, const char *field)
{
    char path[64], line[256];
    long found = -1;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, field, strlen(field))) found = atol(line + strlen(field));
    if (file) fclose(file);
    return found;
}

static int run(const char *question, long bytes, char **command)
{
    static volatile long long start; /* vfork: the child writes it here */
    int to[2], from[2], status;
    char answer[4096];
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC) || write(to[1], question, (size_t)bytes) != bytes) return 2;
    const pid_t pid = vfork();
    if (!pid) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        start = now();
        execv(command[0], command);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    const long said = read(from[0], answer, sizeof answer);
    const long long took = now() - start;
    const long resident = memory(pid, "Rss:"), private = memory(pid, "Anonymous:");
    close(to[1]);
    if (waitpid(pid, &status, 0) != pid || status || said <= 0) return 3;
    close(from[0]);
    printf("%lld %ld %ld\n", took, resident, private);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static char question[32768];
    FILE *file = argc > 3 ? fopen(argv[2], "rb") : NULL;
    if (!file) return 1;
    const long bytes = (long)fread(question, 1, sizeof question, file);
    fclose(file);
    for (int left = atoi(argv[1]), failed; left > 0; left--)
        if ((failed = run(question, bytes, argv + 3))) return failed;
    return 0;
}
