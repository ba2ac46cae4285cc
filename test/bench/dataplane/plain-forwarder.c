/*
 * The least that forwards L2TP: a packet per system call, a table that never changes, no control plane. What a plain
 * program in C does on this machine, for the bench to compare with.
 *
 *   plain-forwarder ADDRESS PORT TUN < TABLE
 *
 * A line of TABLE is a session: our session id, the peer's tunnel and session id, its inner address, its outer address and
 * port. The table of inner addresses is indexed by their last 16 bits.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER = 12, SLOTS = 65536, TURN = 64, LONGEST = 2048 };

struct session {
	uint32_t inner;
	struct sockaddr_in peer;
	uint8_t header[HEADER];
	uint64_t packets_in, octets_in, packets_out, octets_out;
};

static struct session *by_id[SLOTS], *by_address[SLOTS];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static unsigned get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static void read_table(void)
{
	unsigned id, peer_tunnel, peer_session, port;
	char inner[16], outer[16];
	while (scanf("%u %u %u %15s %15s %u", &id, &peer_tunnel, &peer_session, inner, outer, &port) == 6) {
		struct session *session = calloc(1, sizeof *session);
		if (!session)
			fail("calloc");
		session->inner = inet_addr(inner);
		session->peer = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		session->peer.sin_addr.s_addr = inet_addr(outer);
		put16(session->header, 0x4002);
		put16(session->header + 4, peer_tunnel);
		put16(session->header + 6, peer_session);
		put16(session->header + 8, 0xff03);
		put16(session->header + 10, 0x0021);
		by_id[id & 0xffff] = session;
		by_address[ntohl(session->inner) & 0xffff] = session;
	}
}

/* Only IPv4 in the form that we send as well, from the address that the session has. */
static void from_network(int udp, int tun, uint8_t *buffer)
{
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t length = recvfrom(udp, buffer, LONGEST, 0, (struct sockaddr *)&from, &size);
	if (length < HEADER + 20 || get16(buffer) != 0x4002 || get16(buffer + 10) != 0x0021)
		return;
	struct session *session = by_id[get16(buffer + 6)];
	uint32_t source;
	memcpy(&source, buffer + HEADER + 12, 4);
	if (!session || source != session->inner || from.sin_addr.s_addr != session->peer.sin_addr.s_addr)
		return;
	if (write(tun, buffer + HEADER, length - HEADER) < 0)
		return;
	session->packets_in++;
	session->octets_in += length - HEADER;
}

static void from_tun(int udp, int tun, uint8_t *buffer)
{
	ssize_t length = read(tun, buffer + HEADER, LONGEST - HEADER);
	if (length < 20)
		return;
	struct session *session = by_address[get16(buffer + HEADER + 18)];
	uint32_t destination;
	memcpy(&destination, buffer + HEADER + 16, 4);
	if (!session || destination != session->inner)
		return;
	memcpy(buffer, session->header, HEADER);
	put16(buffer + 2, length + HEADER);
	if (sendto(udp, buffer, length + HEADER, 0, (struct sockaddr *)&session->peer, sizeof session->peer) < 0)
		return;
	session->packets_out++;
	session->octets_out += length;
}

static int open_udp(const char *address, int port)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port) };
	local.sin_addr.s_addr = inet_addr(address);
	int buffer = 4 << 20, none = 0;
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (udp < 0 || bind(udp, (struct sockaddr *)&local, sizeof local) < 0)
		fail("socket");
	setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
	setsockopt(udp, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
	setsockopt(udp, IPPROTO_IP, IP_MTU_DISCOVER, &none, sizeof none);
	return udp;
}

static int open_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0)
		fail("tun");
	return tun;
}

int main(int argc, char **argv)
{
	static uint8_t buffer[LONGEST];
	if (argc != 4) {
		fprintf(stderr, "plain-forwarder ADDRESS PORT TUN < TABLE\n");
		return 2;
	}
	read_table();
	int udp = open_udp(argv[1], atoi(argv[2])), tun = open_tun(argv[3]);
	printf("ready\n");
	fflush(stdout);
	struct pollfd polled[] = { { .fd = udp, .events = POLLIN }, { .fd = tun, .events = POLLIN } };
	for (;;) {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			fail("poll");
		/* Until there is no more, so that poll is called once for many. */
		for (int i = 0; polled[0].revents && i < TURN; i++) {
			errno = 0;
			from_network(udp, tun, buffer);
			if (errno == EAGAIN)
				break;
		}
		for (int i = 0; polled[1].revents && i < TURN; i++) {
			errno = 0;
			from_tun(udp, tun, buffer);
			if (errno == EAGAIN)
				break;
		}
	}
}
