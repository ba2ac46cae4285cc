/** What the dictionaries of the `radius` package lack of the IETF's attributes. */
export const STANDARD = `
# RFC 2869: split over attributes, but without a word of it there.
ATTRIBUTE EAP-Message 79 octets concat
# RFC 2865 and later entries of IANA's registry.
VALUE NAS-Port-Type Cable 17
VALUE NAS-Port-Type Wireless-Other 18
VALUE NAS-Port-Type PPPoA 30
VALUE Framed-Protocol GPRS-PDP-Context 7
# RFC 4372 2.1: opaque, and may be one octet of zero.
ATTRIBUTE Chargeable-User-Identity 89 octets
# RFC 5447
ATTRIBUTE MIP6-Feature-Vector 124 integer64
ATTRIBUTE MIP6-Home-Link-Prefix 125 ipv6prefix
# RFC 6519
ATTRIBUTE DS-Lite-Tunnel-Name 144 string
# RFC 6572
ATTRIBUTE Mobile-Node-Identifier 145 octets
ATTRIBUTE Service-Selection 146 string
ATTRIBUTE PMIP6-Home-LMA-IPv6-Address 147 ipv6addr
ATTRIBUTE PMIP6-Visited-LMA-IPv6-Address 148 ipv6addr
ATTRIBUTE PMIP6-Home-LMA-IPv4-Address 149 ipaddr
ATTRIBUTE PMIP6-Visited-LMA-IPv4-Address 150 ipaddr
ATTRIBUTE PMIP6-Home-HN-Prefix 151 ipv6prefix
ATTRIBUTE PMIP6-Visited-HN-Prefix 152 ipv6prefix
ATTRIBUTE PMIP6-Home-Interface-ID 153 ifid
ATTRIBUTE PMIP6-Visited-Interface-ID 154 ifid
ATTRIBUTE PMIP6-Home-IPv4-HoA 155 ipv4prefix
ATTRIBUTE PMIP6-Visited-IPv4-HoA 156 ipv4prefix
ATTRIBUTE PMIP6-Home-DHCP4-Server-Address 157 ipaddr
ATTRIBUTE PMIP6-Visited-DHCP4-Server-Address 158 ipaddr
ATTRIBUTE PMIP6-Home-DHCP6-Server-Address 159 ipv6addr
ATTRIBUTE PMIP6-Visited-DHCP6-Server-Address 160 ipv6addr
ATTRIBUTE PMIP6-Home-IPv4-Gateway 161 ipaddr
ATTRIBUTE PMIP6-Visited-IPv4-Gateway 162 ipaddr
# RFC 6677
ATTRIBUTE EAP-Lower-Layer 163 integer
# RFC 7055
ATTRIBUTE GSS-Acceptor-Service-Name 164 string
ATTRIBUTE GSS-Acceptor-Host-Name 165 string
ATTRIBUTE GSS-Acceptor-Service-Specifics 166 string
ATTRIBUTE GSS-Acceptor-Realm-Name 167 string
# RFC 6911
ATTRIBUTE Framed-IPv6-Address 168 ipv6addr
ATTRIBUTE DNS-Server-IPv6-Address 169 ipv6addr
ATTRIBUTE Route-IPv6-Information 170 ipv6prefix
ATTRIBUTE Delegated-IPv6-Prefix-Pool 171 string
ATTRIBUTE Stateful-IPv6-Address-Pool 172 string
`
