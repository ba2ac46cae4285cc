/*
 * Stands before the `ptrace` of a kernel that runs as a process (LD_PRELOAD).
 *
 * Linux 6.1 keeps the vector registers of its processes in a buffer of fixed size. A host whose CPU has more state than that (AMX: 11 KB)
 * lets it read as much as fits, but wants all of it to be put back, or refuses; then that kernel dies before its first process runs
 * ("ptrace set fp regs failed, errno = 14"; it is mended in Linux 6.13). So what it puts back is completed here with what is there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { MOST_BYTES = 64 * 1024 };

long ptrace(enum __ptrace_request request, ...)
{
	static long (*next)(enum __ptrace_request, long, void *, void *);
	static char whole[MOST_BYTES] __attribute__((aligned(64)));
	__builtin_va_list words;
	__builtin_va_start(words, request);
	long pid = __builtin_va_arg(words, long);
	void *address = __builtin_va_arg(words, void *);
	void *data = __builtin_va_arg(words, void *);
	__builtin_va_end(words);

	if (next == NULL)
		next = (long (*)(enum __ptrace_request, long, void *, void *))dlsym(RTLD_NEXT, "ptrace");
	if (request != PTRACE_SETREGSET || (long)address != NT_X86_XSTATE)
		return next(request, pid, address, data);

	struct iovec *part = data;
	struct iovec all = { whole, sizeof whole };
	if (next(PTRACE_GETREGSET, pid, address, &all) != 0)
		return -1;
	if (part->iov_len < all.iov_len) {
		memcpy(whole, part->iov_base, part->iov_len);
		return next(request, pid, address, &all);
	}
	return next(request, pid, address, data);
}
