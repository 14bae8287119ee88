/* /falconeri/falconeri-worker: starts the bundle's Python with the bundle's own loader and libraries.

   It runs first, in an image that may have no libc, no shell and no /proc, so it is static and needs
   no C library: two small pieces of assembly say how a program begins and how the kernel is called.

   What the image or the pod says to dynamic loaders, to OpenSSL and the like is meant for the
   image's own programs, and would break ours. Such variables are renamed, to HIDDEN + name, and
   those that we set are accompanied by ADDED + name, by which falconeri_worker/environment.py
   gives the job's command what the container was started with. */

#define HIDDEN "FALCONERI_HIDDEN_"
#define ADDED "FALCONERI_ADDED_"
#define CA_FILE "FALCONERI_CA_FILE="

/* Each is the beginning of a variable's `name=value`. Python's own are ignored by its -I. */
static const char *const hidden[] = {
    "LD_",                 /* LD_PRELOAD, LD_LIBRARY_PATH, LD_AUDIT, LD_BIND_NOW, ... */
    "GLIBC_TUNABLES=",
    "MALLOC_",
    "GCONV_PATH=",         /* libc loads libraries from there */
    "LOCPATH=",            /* and other releases' files from here, */
    "LANG=", "LANGUAGE=", "LC_", "NLSPATH=", /* and for these: our texts are UTF-8 in any case */
    "OPENSSL_",            /* OPENSSL_CONF, OPENSSL_MODULES, OPENSSL_ENGINES, ... */
    "SSL_CERT_",           /* files that may not exist in this image */
    "SSLKEYLOGFILE=",
    "REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE=",
    "PROTOCOL_BUFFERS_",   /* chooses an implementation that the bundle may not have */
    "OTEL_PYTHON_",        /* names plug-ins that it does not have */
};

/* ---- The kernel ---- */

#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start:\n"
        "    xorl %ebp, %ebp\n"
        "    movq %rsp, %rdi\n"
        "    andq $-16, %rsp\n"
        "    call begin\n");

enum { WRITE = 1, MMAP = 9, EXECVE = 59, EXIT = 60, READLINKAT = 267 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n"
        "_start:\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    and sp, x0, #-16\n"
        "    b begin\n");

enum { READLINKAT = 78, WRITE = 64, EXIT = 93, EXECVE = 221, MMAP = 222 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "add how a program begins and how the kernel is called on this processor"
#endif

#define AT_FDCWD (-100)
#define AT_EXECFN 31
#define PATH_BYTES 4096
#define CANNOT_START 127

static unsigned long length(const char *text)
{
    unsigned long n = 0;
    while (text[n])
        n++;
    return n;
}

static int begins_with(const char *text, const char *beginning)
{
    while (*beginning)
        if (*text++ != *beginning++)
            return 0;
    return 1;
}

/* Copies a text and its end; returns where the end is. */
static char *put(char *to, const char *text)
{
    while ((*to = *text++))
        to++;
    return to;
}

static void fail(const char *what, const char *about)
{
    const char *const parts[] = {"falconeri-worker: ", what, about, "\n"};
    for (int i = 0; i < 4; i++)
        call(WRITE, 2, (long)parts[i], (long)length(parts[i]), 0, 0, 0);
    for (;;)
        call(EXIT, CANNOT_START, 0, 0, 0, 0, 0);
}

/* ---- What is handed to Python ---- */

static char *room; /* where the next text goes */

static char *joined(const char *first, const char *second, const char *third)
{
    char *text = room;
    room = put(put(put(room, first), second), third) + 1;
    return text;
}

/* A certificate authority of one's own, asked for in the pod's manifest; or the empty text. */
static const char *wanted_authorities(char **environment)
{
    for (; *environment; environment++)
        if (begins_with(*environment, CA_FILE))
            return *environment + length(CA_FILE);
    return "";
}

static int is_hidden(const char *variable)
{
    for (unsigned i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (begins_with(variable, hidden[i]))
            return 1;
    return 0;
}

/* The directory of this program: of its file, not of a link to it. */
static char *own_directory(const unsigned long *auxiliary)
{
    static char path[PATH_BYTES];
    long n = call(READLINKAT, AT_FDCWD, (long)"/proc/self/exe", (long)path, PATH_BYTES - 1, 0, 0);
    if (n <= 0) { /* no /proc: the name that it was started by */
        while (*auxiliary && *auxiliary != AT_EXECFN)
            auxiliary += 2;
        const char *name = *auxiliary ? (const char *)auxiliary[1] : "";
        if (length(name) >= PATH_BYTES)
            fail("the name of the directory is too long: ", name);
        n = put(path, name) - path;
    }
    path[n] = 0;
    while (n > 0 && path[n] != '/')
        n--;
    if (path[n] != '/')
        fail("start it by its whole path, as /falconeri/falconeri-worker", "");
    path[n] = 0;
    return path;
}

__attribute__((used, noreturn)) void begin(long *stack)
{
    long argc = *stack;
    char **argv = (char **)(stack + 1);
    char **environment = argv + argc + 1;
    long count = 0;
    unsigned long bytes = 0;
    for (; environment[count]; count++)
        bytes += length(environment[count]) + sizeof HIDDEN;
    char *directory = own_directory((unsigned long *)(environment + count + 1));

    /* Pointers first, texts after them. */
    unsigned long pointers = (unsigned long)(argc + count + 32) * sizeof(char *);
    unsigned long texts = bytes + 16 * PATH_BYTES;
    long memory = call(MMAP, 0, (long)(pointers + texts), 3 /* read, write */,
                       0x22 /* private, anonymous */, -1, 0);
    if (memory < 0 && memory > -4096)
        fail("out of memory", "");
    char **next = (char **)memory;
    room = (char *)memory + pointers;

    char **arguments = next;
    char *loader = joined(directory, "/lib/", LOADER);
    *next++ = loader;
    *next++ = "--inhibit-cache";
    *next++ = "--library-path";
    *next++ = joined(directory, "/lib", "");
    *next++ = joined(directory, "/bin/python3", "");
    *next++ = "-I"; /* neither PYTHON* nor the directory it is started in */
    *next++ = "-S"; /* nor what else may be installed */
    *next++ = "-B"; /* it writes nothing */
    *next++ = "-X";
    *next++ = "utf8";
    *next++ = joined(directory, "/app/start.py", "");
    for (long i = 1; i < argc; i++)
        *next++ = argv[i];
    *next++ = 0;

    char **variables = next;
    for (long i = 0; i < count; i++)
        *next++ = is_hidden(environment[i]) ? joined(HIDDEN, environment[i], "") : environment[i];
    const char *authorities = wanted_authorities(environment);
    if (!*authorities)
        authorities = joined(directory, "/app/certifi/cacert.pem", "");
    *next++ = joined("SSL_CERT_FILE=", authorities, ""); /* of connections to falconerid */
    *next++ = ADDED "SSL_CERT_FILE=";
    *next++ = joined("REQUESTS_CA_BUNDLE=", authorities, ""); /* of those to Google */
    *next++ = ADDED "REQUESTS_CA_BUNDLE=";
    *next++ = joined("OPENSSL_CONF=", directory, "/lib/openssl.cnf");
    *next++ = ADDED "OPENSSL_CONF=";
    *next++ = 0;

    call(EXECVE, (long)loader, (long)arguments, (long)variables, 0, 0, 0);
    fail("cannot start ", loader);
    __builtin_unreachable();
}
