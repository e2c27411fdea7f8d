// sqlbench DIR REPS : sqlite3 ceilings
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#define X(s)                             \
  do {                                   \
    char* e = 0;                         \
    if (sqlite3_exec(db, s, 0, 0, &e)) { \
      fprintf(stderr, "%s: %s\n", s, e); \
      exit(1);                           \
    }                                    \
  } while (0)
static char body[257];
static long S[2000000];
static void emit(const char* n, double ops, long k) {
  if (k) qsort(S, k, 8, cmp);
  printf("{\"name\":\"%s\",\"ops_s\":%.0f", n, ops);
  if (k) printf(",\"p50_us\":%.2f,\"p99_us\":%.2f", S[k / 2] / 1e3, S[k * 99 / 100] / 1e3);
  printf("}\n");
}
static void load(sqlite3* db, long n, const char* nm) {
  X("create table ev(id integer primary key, tenant int, amount int, body text)");
  X("begin");
  sqlite3_stmt* st;
  sqlite3_prepare_v2(db, "insert into ev values(?,?,?,?)", -1, &st, 0);
  long t = ns();
  for (long i = 0; i < n; i++) {
    sqlite3_bind_int64(st, 1, i);
    sqlite3_bind_int64(st, 2, i % 100);
    sqlite3_bind_int64(st, 3, (i * 7919) % 10007);
    sqlite3_bind_text(st, 4, body, 256, SQLITE_STATIC);
    sqlite3_step(st);
    sqlite3_reset(st);
  }
  sqlite3_finalize(st);
  X("commit");
  emit(nm, n / ((ns() - t) / 1e9), 0);
}
static void sel(sqlite3* db, long n, const char* nm) {
  sqlite3_stmt* st;
  sqlite3_prepare_v2(db, "select amount,body from ev where id=?", -1, &st, 0);
  unsigned x = 12345;
  long k = 0;
  volatile long sum = 0;
  long t0 = ns(), t1 = t0;
  while (t1 - t0 < 1000000000L && k < 2000000) {
    x = x * 1664525u + 1013904223u;
    sqlite3_bind_int64(st, 1, ((unsigned long)x * n) >> 32);
    if (sqlite3_step(st) != SQLITE_ROW) exit(2);
    sum += sqlite3_column_int(st, 0) + sqlite3_column_text(st, 1)[0];
    sqlite3_reset(st);
    long t2 = ns();
    S[k++] = t2 - t1;
    t1 = t2;
  }
  emit(nm, k / ((t1 - t0) / 1e9), k);
  sqlite3_finalize(st);
}
static void agg(sqlite3* db, const char* q, const char* nm) {
  sqlite3_stmt* st;
  sqlite3_prepare_v2(db, q, -1, &st, 0);
  sqlite3_step(st);
  sqlite3_reset(st);
  long t = ns();
  int r = 0;
  while (sqlite3_step(st) == SQLITE_ROW) r++;
  double s = (ns() - t) / 1e9;
  sqlite3_finalize(st);
  printf("{\"name\":\"%s\",\"ops_s\":%.0f,\"ms\":%.2f,\"groups\":%d}\n", nm, 1e6 / s, s * 1e3, r);
}
int main(int c, char** v) {
  (void)c;
  memset(body, 'x', 256);
  int reps = atoi(v[2]);
  char f[512];
  for (int r = 0; r < reps; r++) {
    sqlite3* db;
    snprintf(f, 512, "%s/w.db", v[1]);
    unlink(f);
    sqlite3_open(f, &db);
    X("pragma journal_mode=wal");
    X("pragma synchronous=full");
    X("create table ev(id integer primary key, tenant int, amount int, body text)");
    sqlite3_stmt* st;
    sqlite3_prepare_v2(db, "insert into ev(tenant,amount,body) values(1,2,?)", -1, &st, 0);
    long k = 0, t0 = ns(), t1 = t0;
    while (t1 - t0 < 2000000000L) {
      sqlite3_bind_text(st, 1, body, 256, SQLITE_STATIC);
      sqlite3_step(st);
      sqlite3_reset(st);
      long t2 = ns();
      S[k++] = t2 - t1;
      t1 = t2;
    }
    sqlite3_finalize(st);
    emit("tx_single_row_full_wal", k / ((t1 - t0) / 1e9), k);
    k = 0;
    sqlite3_prepare_v2(db, "insert into ev(tenant,amount,body) values(1,2,?)", -1, &st, 0);
    t0 = t1 = ns();
    while (t1 - t0 < 2000000000L) {
      X("begin");
      for (int i = 0; i < 1000; i++) {
        sqlite3_bind_text(st, 1, body, 256, SQLITE_STATIC);
        sqlite3_step(st);
        sqlite3_reset(st);
      }
      X("commit");
      long t2 = ns();
      S[k++] = t2 - t1;
      t1 = t2;
    }
    sqlite3_finalize(st);
    emit("tx_1000rows_full_wal_rows", k * 1000 / ((t1 - t0) / 1e9), k);
    sqlite3_close(db);
    unlink(f);
    sqlite3_open(":memory:", &db);
    load(db, 1000000, "load_1M_one_tx_memory_rows");
    sel(db, 1000000, "pkselect_memory_1M");
    agg(db, "select count(*),sum(amount),avg(amount) from ev", "agg_sum_1M_memory_rows");
    agg(db, "select tenant,count(*),sum(amount) from ev group by tenant", "agg_group100_1M_memory_rows");
    agg(db, "select count(*) from ev where amount>5000", "filter_count_1M_memory_rows");
    // narrow projection-like table and per-event upsert: read-modify-write one balance
    X("create table bal(id integer primary key, n int, total int)");
    X("begin");
    sqlite3_prepare_v2(
        db, "insert into bal values(?,1,?) on conflict(id) do update set n=n+1,total=total+excluded.total",
        -1, &st, 0);
    long tt = ns();
    for (long i = 0; i < 1000000; i++) {
      sqlite3_bind_int64(st, 1, (i * 7919) % 100003);
      sqlite3_bind_int64(st, 2, i);
      sqlite3_step(st);
      sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    X("commit");
    emit("upsert_projection_memory_rows", 1e6 / ((ns() - tt) / 1e9), 0);
    sqlite3_close(db);
    snprintf(f, 512, "%s/f.db", v[1]);
    unlink(f);
    sqlite3_open(f, &db);
    X("pragma journal_mode=wal");
    X("pragma synchronous=full");
    X("pragma cache_size=-400000");
    load(db, 1000000, "load_1M_one_tx_file_rows");
    sel(db, 1000000, "pkselect_file_1M");
    agg(db, "select tenant,count(*),sum(amount) from ev group by tenant", "agg_group100_1M_file_rows");
    sqlite3_close(db);
    unlink(f);
  }
  return 0;
}
