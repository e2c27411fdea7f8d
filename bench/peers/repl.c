// repl DIR BS SECS: replicated-append floor.  Leader + 2 followers (processes, loopback TCP), 1 batch in flight.  Leader sends the batch to both followers,
// writes it (O_DIRECT, pre-written file) + fdatasync, then waits for the first follower ack (quorum 2 of 3).  Followers: recv, pwrite, fdatasync, ack 16 B.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
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
static long cap = 256L << 20;
static int mk(const char* d, int i, char* b) {
  char f[512];
  snprintf(f, 512, "%s/r%d", d, i);
  unlink(f);
  int fd = open(f, O_CREAT | O_RDWR | O_DIRECT, 0600);
  for (long o = 0; o < cap; o += 1 << 20)
    if (pwrite(fd, b, 1 << 20, o) < 0) exit(1);
  fsync(fd);
  return fd;
}
static void rd(int s, char* b, long n) {
  long g = 0;
  while (g < n) {
    long r = recv(s, b + g, n - g, 0);
    if (r <= 0) _exit(0);
    g += r;
  }
}
static void wr(int s, char* b, long n) {
  long g = 0;
  while (g < n) {
    long r = send(s, b + g, n - g, MSG_NOSIGNAL);
    if (r <= 0) _exit(0);
    g += r;
  }
}
int main(int c, char** v) {
  (void)c;
  long bs = atol(v[2]);
  double secs = atof(v[3]);
  char* b;
  if (posix_memalign((void**)&b, 4096, 1 << 20)) return 1;
  memset(b, 7, 1 << 20);
  int one = 1, S[2];
  pid_t P[2];
  int l = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  bind(l, (void*)&a, sizeof a);
  listen(l, 2);
  socklen_t al = sizeof a;
  getsockname(l, (void*)&a, &al);
  int fds[3];
  for (int i = 0; i < 3; i++) fds[i] = mk(v[1], i, b);
  for (int i = 0; i < 2; i++) {
    if (!(P[i] = fork())) {
      int s = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(s, (void*)&a, sizeof a)) _exit(1);
      setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      long off = 0;
      for (;;) {
        rd(s, b, bs);
        if (off + bs > cap) off = 0;
        if (pwrite(fds[i + 1], b, bs, off) != bs || fdatasync(fds[i + 1])) _exit(2);
        off += bs;
        wr(s, b, 16);
      }
    }
    S[i] = accept(l, 0, 0);
    setsockopt(S[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  long *L = malloc(8 * 5000000L), N = 0, off = 0, t0 = ns(), t1 = t0, got[2] = {0, 0};
  char ack[64];
  while (t1 - t0 < secs * 1e9) {
    wr(S[0], b, bs);
    wr(S[1], b, bs);
    if (off + bs > cap) off = 0;
    if (pwrite(fds[0], b, bs, off) != bs || fdatasync(fds[0])) return 2;
    off += bs;
    N++;
    while (got[0] < N * 16 && got[1] < N * 16) {
      struct pollfd p[2] = {{S[0], POLLIN, 0}, {S[1], POLLIN, 0}};
      poll(p, 2, -1);
      for (int i = 0; i < 2; i++)
        if (p[i].revents) {
          long r = recv(S[i], ack, 64, MSG_DONTWAIT);
          if (r > 0) got[i] += r;
        }
    }
    long t2 = ns();
    L[N - 1] = t2 - t1;
    t1 = t2;
  }
  double el = (t1 - t0) / 1e9;
  close(S[0]);
  close(S[1]);
  for (int i = 0; i < 2; i++) {
    kill(P[i], 9);
    waitpid(P[i], 0, 0);
  }
  qsort(L, N, 8, cmp);
  printf(
      "{\"name\":\"repl3_q2_%ldk\",\"ops_s\":%.0f,\"mb_s\":%.1f,\"ev256_s\":%.0f,\"p50_us\":%.1f,\"p99_us\":%"
      ".1f}\n",
      bs / 1024, N / el, N * bs / el / 1e6, N * (bs / 256) / el, L[N / 2] / 1e3, L[N * 99 / 100] / 1e3);
  return 0;
}
