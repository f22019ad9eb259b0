/* Preloaded into programs, moves their wall clock by the seconds in the file CHAOS_CLOCK while that file exists.
   Affected are processes whose name is in CHAOS_CLOCK_OF, or all if that is *. The programs of `coin up` are forks, which
   get their name late: it is read each time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int affected(void) {
  char name[32] = {0};
  const char *names = getenv("CHAOS_CLOCK_OF");
  if (!names || strcmp(names, "*") == 0) return names != NULL;
  int file = open("/proc/self/comm", O_RDONLY);
  ssize_t length = file < 0 ? 0 : read(file, name, sizeof name - 1);
  if (file >= 0) close(file);
  if (length <= 1) return 0;
  name[length - 1] = 0; /* the line feed */
  return strstr(names, name) != NULL;
}

static long offset(void) {
  char digits[32] = {0};
  const char *path = getenv("CHAOS_CLOCK");
  int file = path ? open(path, O_RDONLY) : -1;
  if (file < 0) return 0;
  if (!affected()) return close(file), 0;
  if (read(file, digits, sizeof digits - 1) < 0) digits[0] = 0;
  close(file);
  return atol(digits);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(clock, now);
  if (!failed && clock == CLOCK_REALTIME) now->tv_sec += offset();
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  (void)zone;
  int failed = clock_gettime(CLOCK_REALTIME, &precise);
  if (!failed) now->tv_sec = precise.tv_sec, now->tv_usec = precise.tv_nsec / 1000;
  return failed;
}

time_t time(time_t *where) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (where) *where = now.tv_sec;
  return now.tv_sec;
}
