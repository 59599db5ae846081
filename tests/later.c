/* Beside libfaketime, where a year has passed on the wall's clock and on no other (make test-later). It takes every moment
 * until which somebody waits for one of the clock that it shifts: sleeps fail with EINVAL, waits end at once or in a year.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { YEAR_S = 365 * 86400 };

/* The same moment on the machine's clocks: what lies half a year ahead of its wall's is of the one that is shifted. */
static struct timespec unshifted(const struct timespec *until) {
  struct timespec now, found = *until;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  if (found.tv_sec > now.tv_sec + YEAR_S / 2)
    found.tv_sec -= YEAR_S;
  return found;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
  struct timespec moment = flags & TIMER_ABSTIME ? unshifted(until) : *until;
  return syscall(SYS_clock_nanosleep, clock, flags, &moment, left) == 0 ? 0 : errno;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
  static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  struct timespec moment = unshifted(until);
  if (!real)
    real = dlsym(dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "pthread_cond_timedwait");
  return real(condition, mutex, &moment);
}
