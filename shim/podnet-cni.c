/*
 * podnet-cni: what container runtimes execute as a CNI plugin. It forwards the environment and the configuration to
 * podnet's agent over a unix socket and prints what the agent answers. The name it was called by says which plugin.
 *
 *   request    "PNC1"  length(4)  TYPE\0 CNI_X=value\0 CNI_Y=value\0 \0 stdin
 *   answer     "PNC1"  length(4)  exit code(1) stdout
 *
 * Lengths are in network order and count what follows them. Without an agent see decisions/0010: `podnet` says "try
 * again later" to ADD and writes DEL down for the agent to do when it is back; other plugins run in a process of their
 * own. Every buffer is static and every length bounded; nothing is allocated.
 *
 * The file podnet-cni.conf beside the executable, one KEY=VALUE a line, absolute paths:
 *   socket=/run/podnet/cni.sock      where the agent listens
 *   spool=/var/lib/podnet/cni/spool  where DELs wait for it
 *   program=/usr/bin/podnet          called as `podnet cni-plugin TYPE` without an agent
 *   timeout=120                      seconds in all
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  MAX_STDIN = 4 << 20,
  MAX_ENVIRONMENT = 128 << 10,
  MAX_ANSWER = 4 << 20,
  MAX_TYPE = 64,
  HEADER = 8,
  CONFIG_SIZE = 4096,
  TRY_AGAIN_LATER = 11,
  NOT_AVAILABLE = 50,
  INVALID_ENVIRONMENT = 4,
  IO_FAILURE = 5,
  DECODING = 6,
};

static const char *const variables[] = {
  "CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH", "CNI_NETNS_OVERRIDE",
};
#define VARIABLES (sizeof variables / sizeof *variables)

static unsigned char request[HEADER + MAX_TYPE + MAX_ENVIRONMENT + MAX_STDIN + 1];
static unsigned char answer[HEADER + 1 + MAX_ANSWER];
static size_t request_length, stdin_offset;

static char config_text[CONFIG_SIZE];
static const char *socket_path = "/run/podnet/cni.sock";
static const char *spool_path = "/var/lib/podnet/cni/spool";
static const char *program_path = "";
static unsigned timeout_seconds = 120;

static int write_all(int fd, const void *data, size_t length) {
  const char *next = data;
  while (length > 0) {
    ssize_t written = write(fd, next, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    next += written;
    length -= (size_t)written;
  }
  return 0;
}

/* Reads until the end of the stream or until the buffer is full; -1 when reading fails. */
static ssize_t read_up_to(int fd, void *data, size_t limit) {
  size_t length = 0;
  while (length < limit) {
    ssize_t count = read(fd, (char *)data + length, limit - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    length += (size_t)count;
  }
  return (ssize_t)length;
}

/* The version of the configuration, if it is easily found: errors should speak it too. */
static const char *version_of_config(char *version, size_t size) {
  static const char key[] = "\"cniVersion\"", latest[] = "1.1.0";
  const unsigned char *end = request + request_length;
  const unsigned char *next = stdin_offset ? memmem(request + stdin_offset,
                                                     request_length - stdin_offset, key, sizeof key - 1)
                                            : NULL;
  if (!next) return latest;
  next += sizeof key - 1;
  while (next < end && strchr(" \t\r\n:\"", *next) && *next) next++;
  size_t length = 0;
  while (next < end && length < size - 1 && ((*next >= '0' && *next <= '9') || *next == '.'))
    version[length++] = (char)*next++;
  version[length] = '\0';
  return length ? version : latest;
}

/* Prints an error object. The texts are ours: there is nothing in them to escape. */
static _Noreturn void fail(int code, const char *message, const char *details) {
  char text[1024], version[16];
  int length = snprintf(text, sizeof text,
                        "{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n",
                        version_of_config(version, sizeof version), code, message, details);
  if (length > 0 && (size_t)length < sizeof text) write_all(STDOUT_FILENO, text, (size_t)length);
  _exit(1);
}

static void on_alarm(int signal) {
  (void)signal;
  static const char text[] = "{\"cniVersion\":\"1.1.0\",\"code\":11,\"msg\":\"the agent did not answer in time\","
                             "\"details\":\"See whether it hangs; timeout= in podnet-cni.conf is the limit.\"}\n";
  write_all(STDOUT_FILENO, text, sizeof text - 1);
  _exit(1);
}

/* The directory of this executable, whatever link it was called by; 0 when it does not fit. */
static int own_directory(char *path, size_t size) {
  ssize_t length = readlink("/proc/self/exe", path, size - 1);
  if (length <= 0 || (size_t)length >= size - 1) return 0;
  path[length] = '\0';
  char *slash = strrchr(path, '/');
  if (!slash) return 0;
  *slash = '\0';
  return 1;
}

static void read_config(void) {
  char path[PATH_MAX];
  if (!own_directory(path, sizeof path - sizeof "/podnet-cni.conf")) return;
  strcat(path, "/podnet-cni.conf");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read_up_to(fd, config_text, sizeof config_text - 1);
  close(fd);
  if (length < 0) return;
  config_text[length] = '\0';
  char *rest = config_text, *line;
  while ((line = strsep(&rest, "\n"))) {
    char *value = strchr(line, '=');
    if (*line == '#' || !value) continue;
    *value++ = '\0';
    if (!strcmp(line, "socket") && *value == '/') socket_path = value;
    else if (!strcmp(line, "spool") && *value == '/') spool_path = value;
    else if (!strcmp(line, "program") && *value == '/') program_path = value;
    else if (!strcmp(line, "timeout")) {
      unsigned long seconds = strtoul(value, NULL, 10);
      if (seconds >= 1 && seconds <= 3600) timeout_seconds = (unsigned)seconds;
    }
  }
}

static int is_type(const char *name) {
  size_t length = strlen(name);
  if (length == 0 || length >= MAX_TYPE || *name == '.') return 0;
  return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

static void append(const char *text, size_t length) {
  /* MAX_TYPE and MAX_ENVIRONMENT were checked: there is room. */
  memcpy(request + request_length, text, length);
  request_length += length;
}

static void build_request(const char *type) {
  request_length = HEADER;
  append(type, strlen(type) + 1);
  size_t used = 0;
  for (size_t index = 0; index < VARIABLES; index++) {
    const char *value = getenv(variables[index]);
    if (!value) continue;
    size_t name_length = strlen(variables[index]), value_length = strlen(value);
    if (value_length > MAX_ENVIRONMENT || used + name_length + value_length + 2 > MAX_ENVIRONMENT - 1)
      fail(INVALID_ENVIRONMENT, "the CNI_ variables are too long", "All of them may have 128 KiB together.");
    used += name_length + value_length + 2;
    append(variables[index], name_length);
    append("=", 1);
    append(value, value_length + 1);
  }
  append("", 1);
  stdin_offset = request_length;
  ssize_t length = read_up_to(STDIN_FILENO, request + request_length, MAX_STDIN + 1);
  if (length < 0) fail(IO_FAILURE, "cannot read the network configuration from stdin", "");
  if (length > MAX_STDIN) fail(DECODING, "the network configuration on stdin is longer than 4 MiB", "");
  request_length += (size_t)length;
  uint32_t body = htonl((uint32_t)(request_length - HEADER));
  memcpy(request, "PNC1", 4);
  memcpy(request + 4, &body, 4);
}

/* A connection to the agent, or -1 when there is none. */
static int connect_agent(void) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  if (strlen(socket_path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, socket_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct timeval limit = { .tv_sec = timeout_seconds };
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid()))
    return fd;
  close(fd);
  return -1;
}

/* Prints the agent's answer and ends; returns when the agent went away before it answered. */
static void forward(int fd) {
  if (write_all(fd, request, request_length) < 0) return;
  ssize_t length = read_up_to(fd, answer, sizeof answer);
  if (length < HEADER + 1 || memcmp(answer, "PNC1", 4) != 0) return;
  uint32_t body;
  memcpy(&body, answer + 4, 4);
  if (ntohl(body) != (size_t)length - HEADER) return;
  write_all(STDOUT_FILENO, answer + HEADER + 1, (size_t)length - HEADER - 1);
  _exit(answer[HEADER]);
}

/* Writes the request down for the agent. The same request twice is one file. */
static int spool(void) {
  uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
  for (size_t index = 0; index < request_length; index++) hash = (hash ^ request[index]) * 0x100000001b3u;
  char path[PATH_MAX], temporary[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/%016llx", spool_path, (unsigned long long)hash) >= (int)sizeof path ||
      snprintf(temporary, sizeof temporary, "%s/.%016llx.%d", spool_path, (unsigned long long)hash,
               (int)getpid()) >= (int)sizeof temporary)
    return -1;
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -1;
  int failed = write_all(fd, request, request_length) < 0 || fsync(fd) < 0;
  failed |= close(fd) < 0;
  if (failed || rename(temporary, path) < 0) {
    unlink(temporary);
    return -1;
  }
  int directory = open(spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  failed = directory < 0 || fsync(directory) < 0;
  if (directory >= 0) close(directory);
  return failed ? -1 : 0;
}

/* Runs the plugin in a process of its own, with the configuration on its stdin once more. */
static _Noreturn void run_program(const char *type) {
  if (!*program_path)
    fail(TRY_AGAIN_LATER, "the podnet agent is not running", "Start it, or set program= in podnet-cni.conf.");
  int fd = memfd_create("cni-config", 0);
  if (fd < 0 || write_all(fd, request + stdin_offset, request_length - stdin_offset) < 0 ||
      lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0)
    fail(IO_FAILURE, "cannot pass the network configuration on", "");
  if (fd != STDIN_FILENO) close(fd);
  alarm(0);
  signal(SIGPIPE, SIG_DFL);
  char *arguments[] = { (char *)program_path, "cni-plugin", (char *)type, NULL };
  execv(program_path, arguments);
  fail(IO_FAILURE, "cannot run the program of podnet-cni.conf", "See whether program= is the path of podnet.");
}

static _Noreturn void without_agent(const char *type, const char *command, int was_asked) {
  int is_delete = !strcmp(command, "DEL");
  if (strcmp(type, "podnet") != 0) {
    /* An agent that died in the middle may have done half of an ADD: the runtime must DEL first. */
    if (was_asked && !strcmp(command, "ADD"))
      fail(TRY_AGAIN_LATER, "the podnet agent stopped before it answered", "Delete the attachment and try again.");
    run_program(type);
  }
  if (is_delete) {
    if (spool() == 0) _exit(0);
    fail(TRY_AGAIN_LATER, "the podnet agent is not running, and DEL could not be written down for it",
         "Start the agent, or make the directory spool= of podnet-cni.conf writable.");
  }
  if (!strcmp(command, "VERSION")) run_program(type);
  if (!strcmp(command, "STATUS"))
    fail(NOT_AVAILABLE, "the podnet agent is not running", "Pods that run keep their network.");
  fail(TRY_AGAIN_LATER, "the podnet agent is not running", "Pods are added when it is back.");
}

int main(int argc, char **argv) {
  const char *name = argc > 0 ? argv[0] : "";
  const char *slash = strrchr(name, '/');
  const char *type = slash ? slash + 1 : name;
  if (!is_type(type)) fail(INVALID_ENVIRONMENT, "this is called by no plugin's name", "");
  read_config();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGALRM, on_alarm);
  alarm(timeout_seconds);
  build_request(type);
  const char *command = getenv("CNI_COMMAND");
  int fd = connect_agent();
  if (fd >= 0) forward(fd);
  without_agent(type, command ? command : "", fd >= 0);
}
