/* A year has passed on the wall's clock, and on no other: for `make test-later`, by LD_PRELOAD.
 *
 * libfaketime either shifts the clock by which waits are measured, too, and then Python's waits end in a year (it does not
 * know sem_clockwait), or it leaves that clock alone and takes every moment until which somebody waits for one of the wall's
 * (sleeps of Python fail with EINVAL, waits of Mono and Java end at once, PostgreSQL's lock_timeout never does).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

enum { YEAR_S = 365 * 86400 };

/* The next function of that name, the C library's. */
#define REAL(result, name, ...) \
  static result (*real)(__VA_ARGS__); \
  if (!real) \
  real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int is_wall(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI; }

/* --- what time it is */

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int failed = real(clock, now);
  if (!failed && is_wall(clock))
    now->tv_sec += YEAR_S;
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  REAL(int, "gettimeofday", struct timeval *, void *);
  int failed = real(now, zone);
  if (!failed)
    now->tv_sec += YEAR_S;
  return failed;
}

time_t time(time_t *kept) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (kept)
    *kept = now.tv_sec;
  return now.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
  REAL(int, "timespec_get", struct timespec *, int);
  int found = real(now, base);
  if (found == TIME_UTC)
    now->tv_sec += YEAR_S;
  return found;
}

/* --- waiting until a moment: one that lies half a year ahead of the machine's wall is of ours */

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
  if (!real) /* RTLD_NEXT finds the oldest of its two versions */
    real = dlsym(dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "pthread_cond_timedwait");
  return real(condition, mutex, &moment);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
  REAL(int, "pthread_cond_clockwait", pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
  struct timespec moment = unshifted(until);
  return real(condition, mutex, clock, &moment);
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until) {
  REAL(int, "pthread_mutex_timedlock", pthread_mutex_t *, const struct timespec *);
  struct timespec moment = unshifted(until);
  return real(mutex, &moment);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
  REAL(int, "sem_timedwait", sem_t *, const struct timespec *);
  struct timespec moment = unshifted(until);
  return real(semaphore, &moment);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until) {
  REAL(int, "sem_clockwait", sem_t *, clockid_t, const struct timespec *);
  struct timespec moment = unshifted(until);
  return real(semaphore, clock, &moment);
}

int timerfd_settime(int timer, int flags, const struct itimerspec *next, struct itimerspec *before) {
  REAL(int, "timerfd_settime", int, int, const struct itimerspec *, struct itimerspec *);
  struct itimerspec moment = *next;
  if (flags & TFD_TIMER_ABSTIME)
    moment.it_value = unshifted(&next->it_value);
  return real(timer, flags, &moment, before);
}

/* --- when a file was written: what is written now bears the machine's time */

static int seen(int failed, struct stat *file) {
  if (!failed) {
    file->st_atim.tv_sec += YEAR_S;
    file->st_mtim.tv_sec += YEAR_S;
    file->st_ctim.tv_sec += YEAR_S;
  }
  return failed;
}

#define STAT(name) \
  int name(const char *restrict path, struct stat *restrict file) { \
    REAL(int, #name, const char *, struct stat *); \
    return seen(real(path, file), file); \
  }
#define FSTAT(name) \
  int name(int descriptor, struct stat *file) { \
    REAL(int, #name, int, struct stat *); \
    return seen(real(descriptor, file), file); \
  }
#define FSTATAT(name) \
  int name(int folder, const char *restrict path, struct stat *restrict file, int flags) { \
    REAL(int, #name, int, const char *, struct stat *, int); \
    return seen(real(folder, path, file, flags), file); \
  }
STAT(stat)
STAT(lstat)
FSTAT(fstat)
FSTATAT(fstatat)
_Static_assert(sizeof(off_t) == 8, "one form of stat for files of every size");
int later_stat64(const char *restrict path, struct stat *restrict file) __asm__("stat64");
int later_stat64(const char *restrict path, struct stat *restrict file) { return stat(path, file); }
int later_lstat64(const char *restrict path, struct stat *restrict file) __asm__("lstat64");
int later_lstat64(const char *restrict path, struct stat *restrict file) { return lstat(path, file); }
int later_fstat64(int descriptor, struct stat *file) __asm__("fstat64");
int later_fstat64(int descriptor, struct stat *file) { return fstat(descriptor, file); }
int later_fstatat64(int folder, const char *restrict path, struct stat *restrict file, int flags) __asm__("fstatat64");
int later_fstatat64(int folder, const char *restrict path, struct stat *restrict file, int flags) {
  return fstatat(folder, path, file, flags);
}

int statx(int folder, const char *restrict path, int flags, unsigned mask, struct statx *restrict file) {
  REAL(int, "statx", int, const char *, int, unsigned, struct statx *);
  int failed = real(folder, path, flags, mask, file);
  if (!failed) {
    file->stx_atime.tv_sec += YEAR_S;
    file->stx_mtime.tv_sec += YEAR_S;
    file->stx_ctime.tv_sec += YEAR_S;
  }
  return failed;
}

/* Dates that somebody gives a file are of our clock. */
static const struct timespec *given(const struct timespec times[2], struct timespec kept[2]) {
  if (!times)
    return NULL;
  for (int which = 0; which < 2; which++) {
    kept[which] = times[which];
    if (times[which].tv_nsec != UTIME_NOW && times[which].tv_nsec != UTIME_OMIT)
      kept[which].tv_sec -= YEAR_S;
  }
  return kept;
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
  REAL(int, "utimensat", int, const char *, const struct timespec *, int);
  struct timespec kept[2];
  return real(folder, path, given(times, kept), flags);
}

int futimens(int descriptor, const struct timespec times[2]) {
  REAL(int, "futimens", int, const struct timespec *);
  struct timespec kept[2];
  return real(descriptor, given(times, kept));
}

int utimes(const char *path, const struct timeval times[2]) {
  if (!times)
    return utimensat(AT_FDCWD, path, NULL, 0);
  struct timespec exact[2];
  for (int which = 0; which < 2; which++)
    exact[which] = (struct timespec){times[which].tv_sec, 1000 * times[which].tv_usec};
  return utimensat(AT_FDCWD, path, exact, 0);
}

int utime(const char *path, const struct utimbuf *times) {
  if (!times)
    return utimensat(AT_FDCWD, path, NULL, 0);
  struct timespec exact[2] = {{times->actime, 0}, {times->modtime, 0}};
  return utimensat(AT_FDCWD, path, exact, 0);
}
