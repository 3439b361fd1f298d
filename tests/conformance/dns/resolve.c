/*
 * Asks the C library's resolver, line by line: `TYPE NAME` in, `STATUS VALUE...` out, values sorted.
 * A and AAAA by getaddrinfo, PTR (of an address) by getnameinfo, all others by res_query.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MOST 256
static char values[MOST][512];
static int count;

static int compare(const void *a, const void *b) { return strcmp(a, b); }

static void print(const char *status)
{
	qsort(values, count, sizeof values[0], compare);
	fputs(status, stdout);
	for (int i = 0; i < count; i++)
		if (i == 0 || strcmp(values[i], values[i - 1]) != 0)
			printf(" %s", values[i]);
	putchar('\n');
	fflush(stdout);
	count = 0;
}

static const char *status_of(int error)
{
	switch (error) {
	case 0: return "found";
	case EAI_AGAIN: return "again";
	case EAI_FAIL: return "failed";
	default: return "none";
	}
}

static void addresses(const char *name, int family)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM }, *list = NULL;
	int error = getaddrinfo(name, NULL, &hints, &list);
	for (struct addrinfo *at = list; at && count < MOST; at = at->ai_next) {
		const void *address = family == AF_INET
			? (const void *)&((struct sockaddr_in *)at->ai_addr)->sin_addr
			: (const void *)&((struct sockaddr_in6 *)at->ai_addr)->sin6_addr;
		inet_ntop(family, address, values[count++], sizeof values[0]);
	}
	if (list) freeaddrinfo(list);
	print(status_of(error));
}

static void host(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	int six = inet_pton(AF_INET6, text, &v6.sin6_addr) == 1;
	if (!six && inet_pton(AF_INET, text, &v4.sin_addr) != 1) { print("invalid"); return; }
	int error = getnameinfo(six ? (void *)&v6 : (void *)&v4, six ? sizeof v6 : sizeof v4,
				values[0], sizeof values[0], NULL, 0, NI_NAMEREQD);
	if (error == 0) {
		count = 1;
		/* musl keeps the final dot of some names. */
		size_t length = strlen(values[0]);
		if (length > 0 && values[0][length - 1] == '.') values[0][length - 1] = 0;
	}
	print(status_of(error));
}

static int number(const char *type)
{
	static const struct { const char *name; int number; } types[] = {
		{ "CNAME", 5 }, { "NS", 2 }, { "SOA", 6 }, { "TXT", 16 }, { "SRV", 33 }, { "MX", 15 },
	};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(type, types[i].name) == 0) return types[i].number;
	return 0;
}

static void query(const char *name, int type)
{
	unsigned char answer[65536];
	char target[NS_MAXDNAME];
	int length = res_query(name, C_IN, type, answer, sizeof answer);
	if (length < 0) {
		print(h_errno == TRY_AGAIN ? "again" : h_errno == NO_RECOVERY ? "failed" : "none");
		return;
	}
	ns_msg message;
	if (ns_initparse(answer, length, &message) < 0) { print("garbage"); return; }
	for (int i = 0; i < ns_msg_count(message, ns_s_an) && count < MOST; i++) {
		ns_rr record;
		if (ns_parserr(&message, ns_s_an, i, &record) < 0) { print("garbage"); return; }
		if (ns_rr_type(record) != type) continue;
		const unsigned char *data = ns_rr_rdata(record);
		int skip = type == 33 ? 6 : 0;
		if (type == 16) {
			snprintf(values[count++], sizeof values[0], "%.*s", data[0], data + 1);
			continue;
		}
		if (dn_expand(answer, answer + length, data + skip, target, sizeof target) < 0) { print("garbage"); return; }
		if (type == 33)
			snprintf(values[count++], sizeof values[0], "%d/%d/%d/%.400s", data[0] << 8 | data[1],
				 data[2] << 8 | data[3], data[4] << 8 | data[5], target);
		else
			snprintf(values[count++], sizeof values[0], "%.500s", target);
	}
	print(count > 0 ? "found" : "none");
}

int main(void)
{
	char line[1200], type[16], name[1024];
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "%15s %1023s", type, name) != 2) continue;
		if (strcmp(type, "A") == 0) addresses(name, AF_INET);
		else if (strcmp(type, "AAAA") == 0) addresses(name, AF_INET6);
		else if (strcmp(type, "PTR") == 0) host(name);
		else query(name, number(type));
	}
	return 0;
}
