/*
 * A program that asks glibc for names in every way glibc offers, and says what it was told.
 *
 * It is an ordinary program: it knows nothing of cloudhosts and is linked with libc alone.
 *
 *   caller                       reads commands on stdin, one a line, answers each with one line
 *   caller watch FAMILY NAME     looks up for ever, prints a line at each change of the answer
 *
 * Commands (FAMILY: unspec, inet, inet6; FLAGS: "-" or words joined by commas; NAME: "=" and the
 * name, %XX for any byte, so that "=" alone is the empty name):
 *
 *   gai FAMILY FLAGS NAME        getaddrinfo
 *   byname NAME                  gethostbyname
 *   byname2 FAMILY NAME          gethostbyname2
 *   byname_r SIZE NAME           gethostbyname_r, the buffer doubled from SIZE on ERANGE
 *   byname2_r SIZE FAMILY NAME   gethostbyname2_r, likewise
 *   byaddr ADDRESS               gethostbyaddr
 *   byaddr_r SIZE ADDRESS        gethostbyaddr_r, likewise
 *   nameinfo FLAGS ADDRESS       getnameinfo
 *   enumerate                    sethostent, gethostent until the end, endhostent
 *   enumerate_restart N          the same, with sethostent again after N entries
 *   enumerate_threads            two threads share one enumeration by gethostent_r
 *   first gai|byname N NAME      N look-ups, how often each address came first
 *
 * Every answer is one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct word { const char *word; int value; };

static const struct word FAMILIES[] = {
    {"unspec", AF_UNSPEC}, {"inet", AF_INET}, {"inet6", AF_INET6}, {NULL, 0}};
static const struct word AI_FLAGS[] = {
    {"canonname", AI_CANONNAME}, {"v4mapped", AI_V4MAPPED}, {"all", AI_ALL},
    {"addrconfig", AI_ADDRCONFIG}, {"numerichost", AI_NUMERICHOST}, {NULL, 0}};
static const struct word NI_FLAGS[] = {
    {"namereqd", NI_NAMEREQD}, {"numerichost", NI_NUMERICHOST}, {"nofqdn", NI_NOFQDN}, {NULL, 0}};
static const struct word EAI_CODES[] = {
    {"ok", 0}, {"EAI_BADFLAGS", EAI_BADFLAGS}, {"EAI_NONAME", EAI_NONAME}, {"EAI_AGAIN", EAI_AGAIN},
    {"EAI_FAIL", EAI_FAIL}, {"EAI_NODATA", EAI_NODATA}, {"EAI_FAMILY", EAI_FAMILY},
    {"EAI_SOCKTYPE", EAI_SOCKTYPE}, {"EAI_SERVICE", EAI_SERVICE}, {"EAI_ADDRFAMILY", EAI_ADDRFAMILY},
    {"EAI_MEMORY", EAI_MEMORY}, {"EAI_SYSTEM", EAI_SYSTEM}, {"EAI_OVERFLOW", EAI_OVERFLOW}, {NULL, 0}};
static const struct word H_CODES[] = {
    {"NETDB_INTERNAL", NETDB_INTERNAL}, {"ok", NETDB_SUCCESS}, {"HOST_NOT_FOUND", HOST_NOT_FOUND},
    {"TRY_AGAIN", TRY_AGAIN}, {"NO_RECOVERY", NO_RECOVERY}, {"NO_DATA", NO_DATA}, {NULL, 0}};

static void bad(const char *what, const char *given) {
    fprintf(stderr, "caller: %s: %s\n", what, given ? given : "(nothing)");
    exit(64);
}

static void *must(void *memory) {
    if (!memory) bad("out of memory", "");
    return memory;
}

static int value_of(const struct word *words, const char *word) {
    for (; words->word; words++)
        if (word && strcmp(words->word, word) == 0) return words->value;
    bad("unknown word", word);
    return 0;
}

static const char *word_of(const struct word *words, int value) {
    for (; words->word; words++)
        if (words->value == value) return words->word;
    return "unknown";
}

static int flags_of(const struct word *words, char *list) {
    int flags = 0;
    if (strcmp(list, "-") == 0) return 0;
    char *rest = NULL;
    for (char *one = strtok_r(list, ",", &rest); one; one = strtok_r(NULL, ",", &rest))
        flags |= value_of(words, one);
    return flags;
}

/* "=a%2eb" in place to "a.b" */
static char *name_of(char *given) {
    if (!given || given[0] != '=') bad("a name starts with =", given);
    char *to = given;
    for (char *from = given + 1; *from; from++) {
        if (*from == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2])) {
            char digits[3] = {from[1], from[2], 0};
            *to++ = (char)strtol(digits, NULL, 16);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
    return given;
}

static void print_string(const char *text) {
    if (!text) { fputs("null", stdout); return; }
    putchar('"');
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\' || byte < 0x20 || byte > 0x7e) printf("\\u%04x", byte);
        else putchar(byte);
    }
    putchar('"');
}

static void text_of_address(int family, const void *raw, char *text) {
    if (!inet_ntop(family, raw, text, INET6_ADDRSTRLEN)) bad("inet_ntop", "");
}

static const void *raw_of(const struct sockaddr *address) {
    return address->sa_family == AF_INET6
        ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
        : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
}

static int look_up(int family, int flags, const char *name, struct addrinfo **found) {
    struct addrinfo hints = {.ai_family = family, .ai_flags = flags, .ai_socktype = SOCK_STREAM};
    *found = NULL;
    return getaddrinfo(name, NULL, &hints, found);
}

static void gai(int family, int flags, const char *name) {
    struct addrinfo *found;
    int code = look_up(family, flags, name, &found);
    int left = errno;
    printf("{\"code\":\"%s\"", word_of(EAI_CODES, code));
    if (code == EAI_SYSTEM) printf(",\"errno\":%d", left);
    fputs(",\"name\":", stdout);
    print_string(found ? found->ai_canonname : NULL);
    fputs(",\"addresses\":[", stdout);
    for (struct addrinfo *one = found; one; one = one->ai_next) {
        char text[INET6_ADDRSTRLEN];
        text_of_address(one->ai_family, raw_of(one->ai_addr), text);
        printf("%s\"%s\"", one == found ? "" : ",", text);
    }
    fputs("]}\n", stdout);
    if (found) freeaddrinfo(found);
}

static void print_host(const struct hostent *host, int code, int grown) {
    printf("{\"code\":\"%s\",\"grown\":%d,\"name\":", host ? "ok" : word_of(H_CODES, code), grown);
    print_string(host ? host->h_name : NULL);
    fputs(",\"aliases\":[", stdout);
    for (int at = 0; host && host->h_aliases[at]; at++) {
        if (at) putchar(',');
        print_string(host->h_aliases[at]);
    }
    fputs("],\"addresses\":[", stdout);
    for (int at = 0; host && host->h_addr_list[at]; at++) {
        char text[INET6_ADDRSTRLEN];
        text_of_address(host->h_addrtype, host->h_addr_list[at], text);
        printf("%s\"%s\"", at ? "," : "", text);
    }
    fputs("]}", stdout);
}

static void print_host_line(const struct hostent *host, int code, int grown) {
    print_host(host, code, grown);
    putchar('\n');
}

/* One of the three _r calls: `family` is AF_UNSPEC for gethostbyname_r, `raw` set for gethostbyaddr_r. */
static void reentrant(size_t size, int family, const char *name, const void *raw) {
    struct hostent host, *found = NULL;
    int code = 0, grown = 0;
    char *buffer = must(malloc(size ? size : 1));
    for (;;) {
        int failed;
            if (raw)
            failed = gethostbyaddr_r(raw, family == AF_INET6 ? 16 : 4, family, &host, buffer, size, &found, &code);
        else if (family == AF_UNSPEC)
            failed = gethostbyname_r(name, &host, buffer, size, &found, &code);
        else
            failed = gethostbyname2_r(name, family, &host, buffer, size, &found, &code);
        if (failed != ERANGE) break;
        size = size ? size * 2 : 1;
        grown++;
        buffer = must(realloc(buffer, size));
    }
    print_host_line(found, code, grown);
    free(buffer);
}

static int parse_address(const char *text, void *raw) {
    if (inet_pton(AF_INET, text, raw) == 1) return AF_INET;
    if (inet_pton(AF_INET6, text, raw) == 1) return AF_INET6;
    bad("not an address", text);
    return 0;
}

static void nameinfo(int flags, const char *text) {
    char raw[16], host[NI_MAXHOST] = "";
    struct sockaddr_storage storage = {0};
    socklen_t size;
    storage.ss_family = (sa_family_t)parse_address(text, raw);
    if (storage.ss_family == AF_INET6) {
        memcpy(&((struct sockaddr_in6 *)&storage)->sin6_addr, raw, 16);
        size = sizeof(struct sockaddr_in6);
    } else {
        memcpy(&((struct sockaddr_in *)&storage)->sin_addr, raw, 4);
        size = sizeof(struct sockaddr_in);
    }
    int code = getnameinfo((struct sockaddr *)&storage, size, host, sizeof host, NULL, 0, flags);
    printf("{\"code\":\"%s\",\"name\":", word_of(EAI_CODES, code));
    print_string(code ? NULL : host);
    fputs("}\n", stdout);
}

static void enumerate(long restart_after) {
    struct hostent *host;
    int count = 0;
    fputs("{\"code\":\"ok\",\"entries\":[", stdout);
    sethostent(1);
    while ((host = gethostent()) != NULL) {
        if (count) putchar(',');
        print_host(host, 0, 0);
        count++;
        if (count == restart_after) sethostent(1);
    }
    endhostent();
    fputs("]}\n", stdout);
}

struct share { pthread_barrier_t *start; char **names; int count; };

static void *take_share(void *given) {
    struct share *share = given;
    pthread_barrier_wait(share->start);
    for (;;) {
        struct hostent host, *found = NULL;
        char buffer[16384];
        int code;
        if (gethostent_r(&host, buffer, sizeof buffer, &found, &code) != 0 || !found) return NULL;
        share->names = must(realloc(share->names, (size_t)(share->count + 1) * sizeof(char *)));
        share->names[share->count++] = must(strdup(found->h_name));
    }
}

static void enumerate_threads(void) {
    pthread_barrier_t start;
    pthread_t threads[2];
    struct share shares[2] = {{&start, NULL, 0}, {&start, NULL, 0}};
    int printed = 0;
    pthread_barrier_init(&start, NULL, 2);
    sethostent(1);
    for (int at = 0; at < 2; at++)
        if (pthread_create(&threads[at], NULL, take_share, &shares[at])) bad("pthread_create", "");
    for (int at = 0; at < 2; at++) pthread_join(threads[at], NULL);
    endhostent();
    fputs("{\"code\":\"ok\",\"names\":[", stdout);
    for (int at = 0; at < 2; at++) {
        for (int one = 0; one < shares[at].count; one++) {
            if (printed++) putchar(',');
            print_string(shares[at].names[one]);
            free(shares[at].names[one]);
        }
        free(shares[at].names);
    }
    fputs("]}\n", stdout);
}

struct count { char text[INET6_ADDRSTRLEN]; long times; };

static void first(int by_gai, long times, const char *name) {
    static struct count counts[16384];
    int known = 0;
    for (long at = 0; at < times; at++) {
        char text[INET6_ADDRSTRLEN] = "none";
        if (by_gai) {
            struct addrinfo *found;
            if (look_up(AF_UNSPEC, 0, name, &found) == 0) {
                text_of_address(found->ai_family, raw_of(found->ai_addr), text);
                freeaddrinfo(found);
            }
        } else {
            struct hostent *host = gethostbyname(name);
            if (host) text_of_address(host->h_addrtype, host->h_addr_list[0], text);
        }
        int one = 0;
        while (one < known && strcmp(counts[one].text, text)) one++;
        if (one == known) {
            if (known == 16384) bad("too many different answers", name);
            strcpy(counts[known].text, text);
            counts[known++].times = 0;
        }
        counts[one].times++;
    }
    fputs("{\"code\":\"ok\",\"first\":{", stdout);
    for (int one = 0; one < known; one++) printf("%s\"%s\":%ld", one ? "," : "", counts[one].text, counts[one].times);
    fputs("}}\n", stdout);
}

static int by_text(const void *left, const void *right) { return strcmp(left, right); }

/* The whole answer as JSON, addresses sorted, so that rotation is no change. */
static char *answer(int family, const char *name) {
    static char *text;
    static size_t room;
    struct addrinfo *found;
    int code = look_up(family, 0, name, &found);
    size_t count = 0;
    for (struct addrinfo *one = found; one; one = one->ai_next) count++;
    char (*all)[INET6_ADDRSTRLEN] = must(malloc((count + 1) * sizeof *all));
    count = 0;
    for (struct addrinfo *one = found; one; one = one->ai_next)
        text_of_address(one->ai_family, raw_of(one->ai_addr), all[count++]);
    qsort(all, count, sizeof *all, by_text);
    if (room < 128 + count * (INET6_ADDRSTRLEN + 3)) {
        room = 128 + count * (INET6_ADDRSTRLEN + 3);
        text = must(realloc(text, room));
    }
    char *to = text + sprintf(text, "\"code\":\"%s\",\"addresses\":[", word_of(EAI_CODES, code));
    for (size_t one = 0; one < count; one++) to += sprintf(to, "%s\"%s\"", one ? "," : "", all[one]);
    strcpy(to, "]");
    free(all);
    if (found) freeaddrinfo(found);
    return text;
}

static void watch(int family, const char *name) {
    char *last = must(strdup(""));
    const struct timespec pause = {0, 100 * 1000};
    for (;;) {
        char *now = answer(family, name);
        if (strcmp(now, last)) {
            struct timespec at;
            clock_gettime(CLOCK_REALTIME, &at);
            printf("{\"at\":%lld%09ld,%s}\n", (long long)at.tv_sec, at.tv_nsec, now);
            fflush(stdout);
            if (ferror(stdout)) exit(0);
            free(last);
            last = must(strdup(now));
        }
        nanosleep(&pause, NULL);
    }
}

static void command(char *line) {
    char *word[5] = {NULL}, *rest = NULL;
    int words = 0;
    for (char *one = strtok_r(line, " \n", &rest); one && words < 5; one = strtok_r(NULL, " \n", &rest))
        word[words++] = one;
    const char *verb = words ? word[0] : "";
    char raw[16];
    if (!strcmp(verb, "gai") && words == 4) {
        gai(value_of(FAMILIES, word[1]), flags_of(AI_FLAGS, word[2]), name_of(word[3]));
    } else if (!strcmp(verb, "byname") && words == 2) {
        struct hostent *host = gethostbyname(name_of(word[1]));
        print_host_line(host, h_errno, 0);
    } else if (!strcmp(verb, "byname2") && words == 3) {
        struct hostent *host = gethostbyname2(name_of(word[2]), value_of(FAMILIES, word[1]));
        print_host_line(host, h_errno, 0);
    } else if (!strcmp(verb, "byname_r") && words == 3) {
        reentrant((size_t)atol(word[1]), AF_UNSPEC, name_of(word[2]), NULL);
    } else if (!strcmp(verb, "byname2_r") && words == 4) {
        reentrant((size_t)atol(word[1]), value_of(FAMILIES, word[2]), name_of(word[3]), NULL);
    } else if (!strcmp(verb, "byaddr") && words == 2) {
        int family = parse_address(word[1], raw);
        struct hostent *host = gethostbyaddr(raw, family == AF_INET6 ? 16 : 4, family);
        print_host_line(host, h_errno, 0);
    } else if (!strcmp(verb, "byaddr_r") && words == 3) {
        int family = parse_address(word[2], raw);
        reentrant((size_t)atol(word[1]), family, NULL, raw);
    } else if (!strcmp(verb, "nameinfo") && words == 3) {
        nameinfo(flags_of(NI_FLAGS, word[1]), word[2]);
    } else if (!strcmp(verb, "enumerate") && words == 1) {
        enumerate(-1);
    } else if (!strcmp(verb, "enumerate_restart") && words == 2) {
        enumerate(atol(word[1]));
    } else if (!strcmp(verb, "enumerate_threads") && words == 1) {
        enumerate_threads();
    } else if (!strcmp(verb, "first") && words == 4) {
        first(!strcmp(word[1], "gai"), atol(word[2]), name_of(word[3]));
    } else {
        bad("unknown command", verb);
    }
}

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "watch")) watch(value_of(FAMILIES, argv[2]), name_of(argv[3]));
    if (argc != 1) bad("usage", "caller | caller watch FAMILY =NAME");
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        command(line);
        fflush(stdout);
    }
    free(line);
    return 0;
}
