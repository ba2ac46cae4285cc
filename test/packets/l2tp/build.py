#!/usr/bin/env python3
"""Builds the packets of rfc.ts, clients.ts and hidden.ts without any code of Burrow: `build.py` prints name and hex.
`build.py FILE.pcap` writes them as a capture besides, for tshark."""
import struct
import sys
from hashlib import md5

SECRET = b'tunnel-secret'
PACKETS = {}


def avp(kind, value, mandatory=True, hidden=False, vendor=0, length=None):
    length = 6 + len(value) if length is None else length
    return struct.pack('!HHH', mandatory << 15 | hidden << 14 | length, vendor, kind) + value


def hide(kind, value, vector, mandatory=True, padding=b''):
    """RFC 2661 4.3, written from its text: c(1) = p(1) xor MD5(type + S + RV), c(i) = p(i) xor MD5(S + c(i-1))."""
    plain = struct.pack('!H', len(value)) + value + padding
    cipher, key = b'', md5(struct.pack('!H', kind) + SECRET + vector).digest()
    for at in range(0, len(plain), 16):
        block = bytes(p ^ k for p, k in zip(plain[at:at + 16], key))
        cipher += block
        key = md5(SECRET + block).digest()
    return avp(kind, cipher, mandatory, hidden=True)


def message(name, number, *avps, tunnel=1, session=0, ns=0, nr=0):
    body = avp(0, struct.pack('!H', number)) + b''.join(avps)
    PACKETS[name] = struct.pack('!HHHHHH', 0xC802, 12 + len(body), tunnel, session, ns, nr) + body


u16 = lambda value: struct.pack('!H', value)
u32 = lambda value: struct.pack('!I', value)
VECTOR = bytes(range(0x10, 0x20))
OTHER_VECTOR = bytes(range(0x40, 0x54))
LCP_OPTIONS = bytes.fromhex('010405dc0305c22305050612345678')

# rfc.ts: each AVP in the form of its figure in RFC 2661 4.4 or RFC 3145 2, with the M bits that Burrow sends
message('SCCRQ tie', 1, avp(2, b'\1\0'), avp(7, b'lac.example'), avp(3, u32(3)), avp(4, u32(2), False),
        avp(5, bytes.fromhex('0123456789abcdef'), False), avp(6, u16(0x0105), False), avp(8, b'Example', False), avp(9, u16(7)),
        avp(10, u16(4)), avp(11, bytes(range(16))), tunnel=0)
message('SCCRP', 2, avp(2, b'\1\0'), avp(3, u32(1)), avp(7, b'lns.example'), avp(9, u16(9)),
        avp(13, md5(b'\2' + SECRET + bytes(range(16))).digest()), tunnel=7, nr=1)
message('OCRQ', 7, avp(14, u16(77)), avp(15, u32(0x01020304)), avp(16, u32(9600)), avp(17, u32(64000)), avp(18, u32(1)),
        avp(19, u32(2)), avp(21, b'5551234'), avp(23, b'42', False), ns=2, nr=1)
message('OCRP', 8, avp(14, u16(81)), avp(25, u32(0x00010203), False), session=77, ns=1, nr=3)
message('OCCN', 9, avp(24, u32(64000)), avp(19, u32(1)), avp(38, u32(56000), False), avp(39, b''), session=77, ns=2, nr=3)
message('ICRQ', 10, avp(14, u16(81)), avp(15, u32(1)), avp(18, u32(3), False), avp(25, u32(5), False), avp(22, b'5550001', False),
        avp(21, b'5550002', False), avp(23, b'7', False), ns=2, nr=1)
message('ICCN', 12, avp(24, u32(100000000)), avp(19, u32(1)), avp(26, LCP_OPTIONS, False), avp(27, LCP_OPTIONS, False),
        avp(28, LCP_OPTIONS, False), avp(29, u16(2), False), avp(30, b'hb@hb', False), avp(31, bytes(range(16)), False),
        avp(32, b'\0\x2a', False), avp(33, bytes(range(16, 32)), False), avp(37, b'group', False), avp(39, b''),
        session=77, ns=3, nr=2)
message('CDN', 14, avp(1, u16(2) + u16(4) + b'no address'), avp(14, u16(81)), avp(12, u16(34) + b'\x5a' + b'no circuit', False),
        avp(46, u16(19) + u16(0x8021) + b'\2' + b'no address', False), session=77, ns=4, nr=2)
message('WEN', 15, avp(34, b'\0\0' + b''.join(u32(count) for count in (1, 2, 3, 4, 5, 0xFFFFFFFF))), session=81, ns=5, nr=2)
message('SLI', 16, avp(35, b'\0\0' + u32(0x000A0000) + u32(0xFFFFFFFF)), session=77, ns=6, nr=2)

# clients.ts: written from what the sources of these clients put on the wire
message('macOS SCCRQ', 1, avp(2, b'\1\0'), avp(3, u32(3)), avp(7, b'Macbook.local'), avp(9, u16(3)), avp(10, u16(4)), tunnel=0)
message('macOS ICRQ', 10, avp(14, u16(0x1F03)), avp(15, u32(1)), ns=2, nr=1)
message('macOS CDN', 14, avp(14, u16(0x1F03)), avp(1, b'\3\0' + bytes.fromhex('000018000000')), session=77, ns=4, nr=2)
message('macOS StopCCN', 4, avp(9, u16(3)), avp(1, b'\1\0' + bytes.fromhex('018008000000')), ns=5, nr=2)
message('Android SCCRQ', 1, avp(2, b'\1\0'), avp(7, b'anonymous'), avp(3, u32(3)), avp(9, u16(0x5DF1)), avp(10, u16(1)), tunnel=0)
message('Android StopCCN', 4, avp(9, u16(0x5DF1)), avp(1, u16(6)), ns=4, nr=2)
message('MikroTik CDN', 14, avp(1, u16(1) + u16(0) + bytes(4)), avp(14, u16(2)), session=77, ns=4, nr=2)
message('Windows ICRQ', 10, avp(14, u16(1)), avp(15, u32(0)), avp(18, u32(2)),
        avp(1, bytes.fromhex('00112233445566778899aabbccddeeff'), False, vendor=311), ns=2, nr=1)
message('mpd5 SCCCN', 3, avp(13, bytes(range(16))), avp(10, u16(8)), avp(7, b'mpd'), ns=1, nr=1)
message('CDN without id', 14, avp(1, u16(1)), session=77, ns=4, nr=2)
message('CDN overrun', 14, avp(14, u16(81)), avp(1, u16(3), length=14), session=77, ns=4, nr=2)

# hidden.ts
message('hidden ids', 10, avp(36, VECTOR), hide(14, u16(81), VECTOR), hide(15, u32(1), VECTOR), ns=2, nr=1)
message('hidden, two vectors', 10, avp(36, VECTOR), hide(14, u16(81), VECTOR), avp(36, OTHER_VECTOR),
        hide(15, u32(1), OTHER_VECTOR), hide(22, b'5550001', OTHER_VECTOR, False), ns=2, nr=1)
message('hidden, padded', 11, avp(36, VECTOR), hide(14, u16(77), VECTOR, padding=bytes(range(100, 143))), session=81, ns=1, nr=3)
message('hidden, several blocks', 12, avp(36, VECTOR), avp(24, u32(64000)), avp(19, u32(1)),
        hide(33, bytes(range(48)), VECTOR, False), hide(30, b'this name has thirty octets ok', VECTOR, False), session=77, ns=3, nr=2)
message('hidden StopCCN', 4, avp(1, u16(6)), avp(36, VECTOR), hide(9, u16(7), VECTOR), ns=4, nr=2)
message('hidden length too long', 11, avp(36, VECTOR), hide(14, u16(77), VECTOR)[:6] + hide(14, bytes(0x400), VECTOR)[6:10],
        session=81, ns=1, nr=3)

if __name__ == '__main__':
    for name, packet in PACKETS.items():
        print(f'{name}: {packet.hex()}')
    if len(sys.argv) > 1:
        with open(sys.argv[1], 'wb') as pcap:
            pcap.write(struct.pack('!IHHIIII', 0xA1B2C3D4, 2, 4, 0, 0, 65535, 228))
            for packet in PACKETS.values():
                udp = struct.pack('!HHHH', 1701, 1701, 8 + len(packet), 0) + packet
                ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b'\x7f\0\0\2', b'\x7f\0\0\1')
                pcap.write(struct.pack('!IIII', 0, 0, len(ip) + len(udp), len(ip) + len(udp)) + ip + udp)
