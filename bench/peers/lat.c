// lat: write+fdatasync latency and loopback TCP round trip.   lat disk FILE BS MODE SECS | lat tcp SIZE SECS spin|block
// MODE: append (file grows), falloc (fallocate'd, unwritten extents), overwrite (pre-zeroed, then overwritten), dsync (overwrite, O_DSYNC, no fdatasync)
// and nosync (overwrite, O_DIRECT, no flush)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static long ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}
static int cmp(const void* a, const void* b) {
  long x = *(long*)a, y = *(long*)b;
  return x < y ? -1 : x > y;
}
static long* S;
static long N;
static void out(const char* name, double secs, long bytes) {
  qsort(S, N, sizeof *S, cmp);
  double m = 0;
  for (long i = 0; i < N; i++) m += S[i];
  printf(
      "{\"name\":\"%s\",\"ops\":%ld,\"ops_s\":%.0f,\"mb_s\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%"
      ".1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"mean_us\":%.1f}\n",
      name, N, N / secs, bytes / secs / 1e6, S[N / 2] / 1e3, S[N * 90 / 100] / 1e3, S[N * 99 / 100] / 1e3,
      S[N * 999 / 1000] / 1e3, S[N - 1] / 1e3, m / N / 1e3);
}
int main(int c, char** v) {
  S = malloc(sizeof(long) * 20000000);
  if (!strcmp(v[1], "disk")) {
    long bs = atol(v[3]);
    const char* mode = v[4];
    double secs = atof(v[5]);
    long cap = bs < 65536 ? 256L << 20 : 1L << 30;
    int ap = !strcmp(mode, "append"), fa = !strcmp(mode, "falloc"), ds = !strcmp(mode, "dsync"),
        nos = !strcmp(mode, "nosync");
    char* b;
    if (posix_memalign((void**)&b, 4096, 1 << 20)) return 1;
    for (long i = 0; i < 1 << 20; i++) b[i] = rand();
    unlink(v[2]);
    int fd = open(v[2], O_CREAT | O_RDWR | O_DIRECT | (ds ? O_DSYNC : 0), 0600);
    if (fd < 0) {
      perror("open");
      return 1;
    }
    if (fa && fallocate(fd, 0, 0, cap)) {
      perror("falloc");
      return 1;
    }
    if (!ap && !fa) {
      int f2 = open(v[2], O_RDWR | O_DIRECT);
      for (long o = 0; o < cap; o += 1 << 20)
        if (pwrite(f2, b, 1 << 20, o) < 0) return 1;
      fsync(f2);
      close(f2);
    }
    fsync(fd);
    sync();
    long off = 0, t0 = ns(), t1 = t0;
    while (t1 - t0 < secs * 1e9) {
      if (!ap && off + bs > cap) {
        if (fa) break;
        off = 0;
      }
      *(long*)b = t1;
      if (pwrite(fd, b, bs, off) != bs) {
        perror("pwrite");
        return 1;
      }
      if (!ds && !nos && fdatasync(fd)) {
        perror("fdatasync");
        return 1;
      }
      long t2 = ns();
      S[N++] = t2 - t1;
      t1 = t2;
      off += bs;
    }
    char nm[64];
    snprintf(nm, 64, "%s_%ldk", mode, bs / 1024);
    out(nm, (t1 - t0) / 1e9, N * bs);
    close(fd);
    unlink(v[2]);
  } else {
    int sz = atoi(v[2]);
    double secs = atof(v[3]);
    int spin = !strcmp(v[4], "spin");
    int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bind(l, (void*)&a, sizeof a);
    listen(l, 1);
    socklen_t al = sizeof a;
    getsockname(l, (void*)&a, &al);
    pid_t p = fork();
    char buf[65536] = {0};
    int s;
    if (!p) {
      s = socket(AF_INET, SOCK_STREAM, 0);
      connect(s, (void*)&a, sizeof a);
    } else
      s = accept(l, 0, 0);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int fl = spin ? MSG_DONTWAIT : 0;
#define RD()                                      \
  do {                                            \
    int g = 0;                                    \
    while (g < sz) {                              \
      int r = recv(s, buf + g, sz - g, fl);       \
      if (r > 0)                                  \
        g += r;                                   \
      else if (r == 0)                            \
        _exit(0);                                 \
      else if (errno != EAGAIN && errno != EINTR) \
        _exit(1);                                 \
    }                                             \
  } while (0)
    if (!p) {
      for (;;) {
        RD();
        if (send(s, buf, sz, MSG_NOSIGNAL) != sz) _exit(0);
      }
    }
    for (int i = 0; i < 1000; i++) {
      send(s, buf, sz, 0);
      RD();
    }
    long t0 = ns(), t1 = t0;
    while (t1 - t0 < secs * 1e9) {
      send(s, buf, sz, 0);
      RD();
      long t2 = ns();
      S[N++] = t2 - t1;
      t1 = t2;
    }
    shutdown(s, SHUT_RDWR);
    close(s);
    waitpid(p, 0, 0);
    char nm[64];
    snprintf(nm, 64, "tcp_rtt_%d_%s", sz, v[4]);
    out(nm, (t1 - t0) / 1e9, N * sz * 2);
  }
  return 0;
}
