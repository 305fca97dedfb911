/* A switch whose wires fail as they are told to. Each argument is a network interface, in order the
   port of the host whose hardware address ends in 1, 2, 3 and so on; "far-NAME" is its other end.

   A line on standard input sets one direction of one pair:
     FROM TO LOSS DELAY JITTER TWICE LATE HOLD
   FROM and TO are the numbers of ports. LOSS, TWICE and LATE are percent of the packets that are
   lost, sent twice, and overtaken. DELAY is milliseconds for each packet, JITTER up to so many more
   at random. HOLD 1 keeps every packet; HOLD 0 lets them go, in the order in which they came;
   HOLD 2 lets them go, too, and keeps every packet that comes from now on.
   The answer is a line, once it is so: how many packets of this direction were lost, sent twice
   and overtaken so far, and how many are kept now. The program ends with its standard input. */
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORTS_MAX = 8, FRAME_MAX = 65536, OVERTAKEN_MS = 30 };

struct wire {
  int loss, delay, jitter, twice, late, hold;
  long lost, doubled, overtaken;
};

/* A packet on its way; those that are due first come first, and equal ones as they came. */
struct packet {
  struct packet *next;
  double due;
  int from, to, length;
  unsigned char bytes[];
};

static struct wire wires[PORTS_MAX][PORTS_MAX];
static struct pollfd ports[PORTS_MAX + 1]; /* the last one in use is the standard input */
static int ports_count;
static struct packet *first;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static int happens(int percent) { return drand48() * 100 < percent; }

/* Offloaded, packets would come here without checksums, and many in one. */
static void no_offload(const char *interface) {
  const unsigned commands[] = {ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO};
  int any = socket(AF_INET, SOCK_DGRAM, 0);
  for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
    struct ethtool_value off = {.cmd = commands[i], .data = 0};
    struct ifreq request = {.ifr_data = (void *)&off};
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(any, SIOCETHTOOL, &request) < 0) die(interface);
  }
  close(any);
}

static int open_port(const char *interface) {
  const int big = 8 << 20;
  char far[IFNAMSIZ];
  snprintf(far, sizeof far, "far-%s", interface);
  no_offload(interface);
  no_offload(far);
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  address.sll_ifindex = if_nametoindex(interface);
  int port = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
  if (port < 0 || bind(port, (void *)&address, sizeof address) < 0) die(interface);
  setsockopt(port, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
  setsockopt(port, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
  return port;
}

static void enqueue(int from, int to, double due, const unsigned char *bytes, int length) {
  struct packet *packet = malloc(sizeof *packet + length);
  if (!packet) die("malloc");
  packet->from = from, packet->to = to, packet->due = due, packet->length = length;
  memcpy(packet->bytes, bytes, length);
  struct packet **place = &first;
  while (*place && (*place)->due <= due) place = &(*place)->next;
  packet->next = *place;
  *place = packet;
}

static void forward(int from, int to, const unsigned char *bytes, int length) {
  struct wire *wire = &wires[from][to];
  if (happens(wire->loss)) {
    wire->lost++;
    return;
  }
  int copies = 1 + happens(wire->twice);
  wire->doubled += copies - 1;
  while (copies--) {
    double due = now_ms() + wire->delay + drand48() * wire->jitter;
    if (happens(wire->late)) due += OVERTAKEN_MS, wire->overtaken++;
    enqueue(from, to, due, bytes, length);
  }
}

/* Sends what is due and not kept; the time until the next packet is due, -1 when none will be. */
static int send_due(void) {
  double now = now_ms(), next = -1;
  struct packet **place = &first;
  while (*place) {
    struct packet *packet = *place;
    int kept = wires[packet->from][packet->to].hold;
    if (!kept && packet->due <= now) {
      *place = packet->next;
      send(ports[packet->to].fd, packet->bytes, packet->length, 0); /* lost if that fails */
      free(packet);
      continue;
    }
    if (!kept && next < 0) next = packet->due - now;
    place = &packet->next;
  }
  return next < 0 ? -1 : (int)next + 1;
}

/* Takes all that came in. Only the Internet Protocol suffers: who has which address stays known. */
static void receive(int from) {
  static unsigned char bytes[FRAME_MAX];
  for (;;) {
    struct sockaddr_ll sender;
    socklen_t size = sizeof sender;
    int length = recvfrom(ports[from].fd, bytes, sizeof bytes, 0, (void *)&sender, &size);
    if (length < 0) return;
    if (length < ETH_HLEN || sender.sll_pkttype == PACKET_OUTGOING) continue;
    const struct ethhdr *head = (const struct ethhdr *)bytes;
    int to = head->h_dest[ETH_ALEN - 1] - 1;
    if (head->h_proto == htons(ETH_P_IP) && to >= 0 && to < ports_count && to != from)
      forward(from, to, bytes, length);
    else if (head->h_proto == htons(ETH_P_ARP))
      for (int other = 0; other < ports_count; other++)
        if (other != from) enqueue(from, other, 0, bytes, length);
  }
}

static void obey(const char *line) {
  struct wire told;
  int from, to, kept = 0;
  int read = sscanf(line, "%d %d %d %d %d %d %d %d", &from, &to, &told.loss, &told.delay,
                    &told.jitter, &told.twice, &told.late, &told.hold);
  if (read != 8 || from < 0 || to < 0 || from >= ports_count || to >= ports_count) exit(2);
  struct wire *wire = &wires[from][to];
  told.lost = wire->lost, told.doubled = wire->doubled, told.overtaken = wire->overtaken;
  *wire = told;
  wire->hold = told.hold == 1;
  send_due();
  wire->hold = told.hold > 0;
  for (struct packet *packet = first; packet; packet = packet->next)
    kept += packet->from == from && packet->to == to && wire->hold;
  printf("%ld %ld %ld %d\n", wire->lost, wire->doubled, wire->overtaken, kept);
  fflush(stdout);
}

static void read_orders(void) {
  static char text[4096];
  static int length;
  int read_now = read(0, text + length, sizeof text - 1 - length);
  if (read_now <= 0) exit(0);
  text[length += read_now] = 0;
  for (char *end; (end = strchr(text, '\n'));) {
    *end = 0;
    obey(text);
    length -= end + 1 - text;
    memmove(text, end + 1, length + 1);
  }
}

int main(int count, char **arguments) {
  ports_count = count - 1;
  if (ports_count > PORTS_MAX) return 2;
  for (int port = 0; port < ports_count; port++)
    ports[port] = (struct pollfd){.fd = open_port(arguments[port + 1]), .events = POLLIN};
  ports[ports_count] = (struct pollfd){.fd = 0, .events = POLLIN};
  srand48(time(0));
  puts("ready");
  fflush(stdout);
  for (;;) {
    poll(ports, ports_count + 1, send_due());
    for (int port = 0; port < ports_count; port++)
      if (ports[port].revents) receive(port);
    if (ports[ports_count].revents) read_orders();
  }
}
