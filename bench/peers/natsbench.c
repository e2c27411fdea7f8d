// natsbench NAME URL SUBJ INFLIGHT SECS : JetStream publish with ack.  INFLIGHT 1 -> synchronous js_Publish, else async window with js_PublishAsync.
// latency in async mode is not per message; ops/s is acked messages / elapsed.
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static long ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}
static int cmp(const void* a, const void* b) {
  long x = *(long*)a, y = *(long*)b;
  return x < y ? -1 : x > y;
}
static volatile long errs;
static void onErr(jsCtx* js, jsPubAckErr* e, void* c) {
  (void)js;
  (void)c;
  errs++;
  if (errs < 3) fprintf(stderr, "ack err %d %s\n", e->Err, e->ErrText ? e->ErrText : "");
}
int main(int c, char** v) {
  (void)c;
  natsConnection* nc = 0;
  jsCtx* js = 0;
  jsErrCode je;
  natsStatus s;
  natsOptions* o;
  natsOptions_Create(&o);
  natsOptions_SetURL(o, v[2]);
  if ((s = natsConnection_Connect(&nc, o)) != NATS_OK) {
    fprintf(stderr, "connect %s\n", natsStatus_GetText(s));
    return 1;
  }
  int win = atoi(v[4]);
  double secs = atof(v[5]);
  jsOptions jo;
  jsOptions_Init(&jo);
  jo.PublishAsync.MaxPending = win;
  jo.PublishAsync.ErrHandler = onErr;
  jo.Wait = 20000;
  natsConnection_JetStream(&js, nc, &jo);
  if (!strcmp(v[3], "create")) {  // natsbench x URL create REPLICAS STREAM
    jsStreamConfig sc;
    jsStreamConfig_Init(&sc);
    char subj[64];
    snprintf(subj, 64, "%s.x", v[5]);
    const char* subs[1] = {subj};
    sc.Name = v[5];
    sc.Subjects = subs;
    sc.SubjectsLen = 1;
    sc.Storage = js_FileStorage;
    sc.Replicas = atoi(v[4]);
    for (int i = 0; i < 50; i++) {
      s = js_AddStream(NULL, js, &sc, NULL, &je);
      if (s == NATS_OK) return 0;
      nats_Sleep(200);
    }
    fprintf(stderr, "create %s %d\n", natsStatus_GetText(s), je);
    return 1;
  }
  char b[256];
  memset(b, 'x', 256);
  long N = 0;
  long* S = malloc(8 * 4000000L);
  char nm[64];
  snprintf(nm, 64, "%s", v[1]);
  for (int i = 0; i < 20; i++) {
    jsPubAck* pa = 0;
    js_Publish(&pa, js, v[3], b, 256, NULL, &je);
    jsPubAck_Destroy(pa);
  }
  long t0 = ns(), t1 = t0;
  if (win == 1) {
    while (t1 - t0 < secs * 1e9) {
      jsPubAck* pa = 0;
      s = js_Publish(&pa, js, v[3], b, 256, NULL, &je);
      if (s != NATS_OK) {
        errs++;
        fprintf(stderr, "%s\n", natsStatus_GetText(s));
        break;
      }
      jsPubAck_Destroy(pa);
      long t2 = ns();
      S[N++] = t2 - t1;
      t1 = t2;
    }
  } else {
    while (t1 - t0 < secs * 1e9) {
      s = js_PublishAsync(js, v[3], b, 256, NULL);
      if (s != NATS_OK) {
        fprintf(stderr, "pa %s\n", natsStatus_GetText(s));
        errs++;
        break;
      }
      N++;
      if ((N & 63) == 0) t1 = ns();
    }
    js_PublishAsyncComplete(js, NULL);
    t1 = ns();
  }
  double el = (t1 - t0) / 1e9;
  long p50 = 0, p99 = 0, mx = 0;
  if (win == 1) {
    qsort(S, N, 8, cmp);
    p50 = S[N / 2];
    p99 = S[N * 99 / 100];
    mx = S[N - 1];
  }
  printf("{\"name\":\"%s\",\"ops_s\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"errs\":%ld}\n",
         nm, (N - errs) / el, p50 / 1e3, p99 / 1e3, mx / 1e3, errs);
  return 0;
}
