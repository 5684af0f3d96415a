/* A member of a group of Corosync's, for the benchmark of groups. It speaks the lines that
 * bench/group/line/line.go tells of. Arguments: the member's number, and "polite" or "spin":
 * what to do when Corosync wants the sender to try again, sleep for 100 us or do so at once.
 *
 * Three threads: orders, deliveries, and what sends. Build: cc -O2 member.c -lcpg -lpthread */
#include <corosync/cpg.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LEAST 16
#define LARGEST (1 << 20)
#define PROBES_MAX 100000

static cpg_handle_t handle;
static uint64_t tag;
static int polite;

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t sending = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t arrival = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived;

static atomic_uint_fast64_t messages, bytes, sum;
static atomic_uint_fast64_t probe; /* the number of the own message that is waited for */
static int64_t came;               /* when it came; 0 for not yet. Under arrival */

static uint64_t numbers;
static char message[LARGEST];

struct order {
	int send; /* or latency */
	long size, times, milliseconds;
};

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	pthread_mutex_lock(&output);
	vprintf(format, args);
	fflush(stdout);
	pthread_mutex_unlock(&output);
	va_end(args);
}

static void delivered(cpg_handle_t h, const struct cpg_name *group, uint32_t node, uint32_t pid, void *data, size_t size)
{
	uint64_t head[2];
	(void)h, (void)group, (void)node, (void)pid;
	if (size < LEAST) {
		say("fault a message of %zu bytes was delivered, which nobody sent\n", size);
		return;
	}
	memcpy(head, data, sizeof head);
	if (head[0] == tag && head[1] == atomic_load(&probe)) {
		pthread_mutex_lock(&arrival);
		came = now();
		pthread_cond_signal(&arrived);
		pthread_mutex_unlock(&arrival);
	}
	atomic_store(&sum, (atomic_load(&sum) ^ (head[0] * 0x9e3779b97f4a7c15u + head[1])) * 0x100000001b3u);
	atomic_fetch_add(&bytes, size);
	atomic_fetch_add(&messages, 1);
}

static void changed(cpg_handle_t h, const struct cpg_name *group, const struct cpg_address *members, size_t count,
		    const struct cpg_address *left, size_t left_count, const struct cpg_address *joined, size_t joined_count)
{
	(void)h, (void)group, (void)members, (void)left, (void)left_count, (void)joined, (void)joined_count;
	say("view %zu %" PRId64 "\n", count, now());
}

static int multicast(size_t size)
{
	struct iovec data = { message, size };
	numbers++;
	memcpy(message + 8, &numbers, sizeof numbers);
	for (;;) {
		cs_error_t err = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &data, 1);
		if (err == CS_OK)
			return 0;
		if (err != CS_ERR_TRY_AGAIN) {
			say("fault cpg_mcast_joined: error %d\n", err);
			return -1;
		}
		if (polite)
			usleep(100);
	}
}

static void flat_out(const struct order *o)
{
	long sent = 0;
	for (int64_t end = now() + o->milliseconds * 1000000; now() < end; sent++)
		if (multicast(o->size))
			break;
	say("sent %ld\n", sent);
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void one_by_one(const struct order *o)
{
	static int64_t took[PROBES_MAX];
	long count = 0;
	int64_t end = now() + o->milliseconds * 1000000;
	while (count < o->times && count < PROBES_MAX && now() < end) {
		int64_t began, late;
		came = 0;
		atomic_store(&probe, numbers + 1);
		began = now();
		if (multicast(o->size))
			break;
		late = began + 2000000000;
		pthread_mutex_lock(&arrival);
		while (came == 0 && now() < late) {
			struct timespec until = { late / 1000000000, late % 1000000000 };
			pthread_cond_timedwait(&arrived, &arrival, &until);
		}
		took[count] = came - began;
		pthread_mutex_unlock(&arrival);
		if (came == 0) {
			say("fault the own message %" PRIu64 " was not delivered within 2 s\n", numbers);
			break;
		}
		count++;
	}
	atomic_store(&probe, 0);
	if (count == 0)
		took[count++] = 0;
	qsort(took, count, sizeof *took, ascending);
	say("latency %ld %" PRId64 " %" PRId64 "\n", count, took[count / 2], took[count * 99 / 100]);
}

static void *carry_out(void *order)
{
	struct order *o = order;
	pthread_mutex_lock(&sending);
	if (o->send)
		flat_out(o);
	else
		one_by_one(o);
	pthread_mutex_unlock(&sending);
	free(o);
	return NULL;
}

static void *deliveries(void *none)
{
	cs_error_t err = cpg_dispatch(handle, CS_DISPATCH_BLOCKING);
	say("fault cpg_dispatch ended: error %d\n", err);
	return none;
}

static void start(struct order o)
{
	pthread_t thread;
	struct order *copy = malloc(sizeof *copy);
	if (copy == NULL || o.size < LEAST || o.size > LARGEST) {
		say("fault no memory, or no such size\n");
		free(copy);
		return;
	}
	*copy = o;
	pthread_create(&thread, NULL, carry_out, copy);
	pthread_detach(thread);
}

int main(int count, char **args)
{
	cpg_callbacks_t calls = { delivered, changed };
	struct cpg_name group = { 5, "bench" };
	pthread_condattr_t clock;
	pthread_t thread;
	cs_error_t err;
	char line[200];

	if (count != 3) {
		fprintf(stderr, "usage: member NUMBER polite|spin\n");
		return 2;
	}
	tag = strtoull(args[1], NULL, 10);
	polite = strcmp(args[2], "polite") == 0;
	for (int i = 0; i < LARGEST; i++)
		message[i] = (char)i;
	memcpy(message, &tag, sizeof tag);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&arrived, &clock);

	/* The daemon may still be starting: ten seconds. */
	for (int i = 0; (err = cpg_initialize(&handle, &calls)) != CS_OK && i < 1000; i++)
		usleep(10000);
	for (int i = 0; err == CS_OK && (err = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN && i < 1000; i++) {
		usleep(10000);
		err = CS_OK;
	}
	if (err != CS_OK) {
		say("fault cannot join by way of corosync: error %d\n", err);
		return 1;
	}
	pthread_create(&thread, NULL, deliveries, NULL);
	while (fgets(line, sizeof line, stdin) != NULL) {
		struct order o = { 0 };
		if (strncmp(line, "quit", 4) == 0)
			break;
		if (strncmp(line, "count", 5) == 0)
			say("count %" PRIuFAST64 " %" PRIuFAST64 " %" PRIuFAST64 " %" PRId64 "\n",
			    atomic_load(&messages), atomic_load(&bytes), atomic_load(&sum), now());
		else if (strncmp(line, "role", 4) == 0)
			say("role none\n");
		else if (sscanf(line, "send %ld %ld", &o.size, &o.milliseconds) == 2)
			o.send = 1, start(o);
		else if (sscanf(line, "latency %ld %ld %ld", &o.size, &o.times, &o.milliseconds) == 3)
			start(o);
		else
			say("fault no such order: %s", line);
	}
	return 0;
}
