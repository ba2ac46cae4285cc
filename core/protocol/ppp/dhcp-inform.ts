/** DHCPINFORM (RFC 2131 4.3.5): routes for a client that keeps its own default route, its DNS servers and its domain. */
import {
  addressList,
  classlessRoutes,
  DHCP_OPTION,
  DHCP_PORT,
  DHCP_TYPE,
  decodeDhcpRequest,
  encodeDhcpAck,
} from '../../wire/dhcp.ts'
import {
  checkIpv4,
  formatIpv4,
  IP_PROTOCOL,
  ipv4FragmentOffset,
  ipv4HeaderBytes,
  ipv4Protocol,
} from '../../wire/ip.ts'
import { udpOverIpv4 } from '../../wire/ip-udp.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import { IPCP_OPTION } from '../../wire/ppp-options.ts'
import { negotiatedNetwork } from './ipcp.ts'
import type { LinkEnv } from './link-env.ts'
import type { LinkState } from './link-state.ts'

const UDP_HEADER_BYTES = 8
/** They fit the smallest MTU, twice. */
const MOST_ROUTES = 64
const HOST_MASK = ['255.255.255.255']

/** A packet that is for us. Whoever asks for an address has one; what is no DHCPINFORM is nobody's. */
export function onIpv4Packet(link: LinkState, env: LinkEnv, packet: Uint8Array): void {
  const { clientRoutes, domain } = { ...env.config, ...link.grant }
  const isServed = env.config.role === 'lns' && (clientRoutes.length > 0 || domain !== undefined)
  const data = isServed && link.ipcp.state === 'opened' ? dhcpOf(packet) : undefined
  // It came before the data plane had its flow.
  if (data === undefined) return env.drop('ppp-phase')
  const request = decodeDhcpRequest(data)
  if (request?.messageType !== DHCP_TYPE.INFORM) return
  const { localAddress, peerAddress, dns, nbns } = negotiatedNetwork(link.ipcp, env.config)
  if (formatIpv4(request.clientAddress) !== link.ipcp.offer[IPCP_OPTION.IP_ADDRESS]) return
  const { wanted } = request
  const routes = classlessRoutes(clientRoutes.slice(0, MOST_ROUTES), localAddress)
  const options: readonly (readonly [number, Uint8Array])[] = [
    [DHCP_OPTION.SERVER, addressList([localAddress])],
    [DHCP_OPTION.SUBNET_MASK, addressList(HOST_MASK)],
    [DHCP_OPTION.DNS_SERVERS, addressList(dns)],
    [DHCP_OPTION.NBNS_SERVERS, addressList(nbns)],
    [DHCP_OPTION.DOMAIN, new TextEncoder().encode(domain ?? '')],
    [DHCP_OPTION.ROUTES, routes],
    [DHCP_OPTION.ROUTES_OF_MICROSOFT, routes],
  ]
  const asked = options.filter(([code]) => code === DHCP_OPTION.SERVER || (wanted?.has(code) ?? true))
  const ends = { source: localAddress, destination: peerAddress }
  const ports = { sourcePort: DHCP_PORT.SERVER, destinationPort: DHCP_PORT.CLIENT }
  env.send(PPP.IPV4, udpOverIpv4({ ...ends, ...ports }, encodeDhcpAck(request, asked)))
}

/** What a UDP datagram to the port of DHCP servers carries. */
function dhcpOf(packet: Uint8Array): Uint8Array | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const total = checkIpv4(view, 0, packet.length)
  if (total < 0 || ipv4Protocol(view, 0) !== IP_PROTOCOL.UDP || ipv4FragmentOffset(view, 0) !== 0)
    return undefined
  const at = ipv4HeaderBytes(view, 0)
  if (total < at + UDP_HEADER_BYTES || view.getUint16(at + 2) !== DHCP_PORT.SERVER) return undefined
  return packet.subarray(at + UDP_HEADER_BYTES, total)
}
