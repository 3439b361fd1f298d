/*
 * Runs CNI plugins the way a container runtime does and takes the time of each, from before the process is made until
 * after it is gone. In C, for making a process out of Node costs as much as some plugins take.
 *
 *   runner PARALLEL < jobs       a job a line: COMMAND CONTAINERID NETNS PLUGIN CONFIGFILE CNI_PATH
 *
 * Prints microseconds and exit code of every job, in the order of the jobs; with PARALLEL 0 all run at once, and what
 * is printed of each is the time since the first one began. What a plugin that fails prints goes to stderr.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_JOBS = 4096 };

static struct {
  pid_t pid;
  int output;
  double micros;
  int status;
} jobs[MAX_JOBS];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void start(int index, char *line) {
  char *rest = line, *field[6];
  for (int i = 0; i < 6; i++) field[i] = strsep(&rest, " \n");
  if (!field[5]) exit(2);
  char variable[6][1024];
  const char *names[] = { "CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "PATH" };
  const char *values[] = { field[0], field[1], field[2], "eth0", field[5], "/usr/sbin:/usr/bin:/sbin:/bin" };
  char *environment[7] = { 0 };
  for (int i = 0; i < 6; i++) {
    snprintf(variable[i], sizeof variable[i], "%s=%s", names[i], values[i]);
    environment[i] = variable[i];
  }
  jobs[index].output = memfd_create("output", MFD_CLOEXEC);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, field[4], O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, jobs[index].output, 1);
  char *arguments[] = { field[3], NULL };
  if (posix_spawn(&jobs[index].pid, field[3], &actions, NULL, arguments, environment) != 0) {
    perror(field[3]);
    exit(2);
  }
  posix_spawn_file_actions_destroy(&actions);
}

static void finish(int index, int status) {
  jobs[index].status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  char text[4096];
  ssize_t length = pread(jobs[index].output, text, sizeof text, 0);
  if (jobs[index].status != 0 && length > 0) fwrite(text, 1, (size_t)length, stderr);
  close(jobs[index].output);
}

int main(int count, char **arguments) {
  int at_once = count > 1 && strcmp(arguments[1], "0") == 0, length = 0;
  static char lines[MAX_JOBS][2048];
  while (length < MAX_JOBS && fgets(lines[length], sizeof *lines, stdin)) length++;
  double begin = now();
  for (int index = 0; index < length; index++) {
    double started = now();
    start(index, lines[index]);
    if (at_once) continue;
    int status;
    if (waitpid(jobs[index].pid, &status, 0) < 0) exit(2);
    jobs[index].micros = now() - started;
    finish(index, status);
  }
  for (int left = at_once ? length : 0; left > 0; left--) {
    int status;
    pid_t pid = wait(&status);
    for (int index = 0; index < length; index++)
      if (jobs[index].pid == pid) {
        jobs[index].micros = now() - begin;
        finish(index, status);
      }
  }
  for (int index = 0; index < length; index++) printf("%.0f %d\n", jobs[index].micros, jobs[index].status);
  return 0;
}
