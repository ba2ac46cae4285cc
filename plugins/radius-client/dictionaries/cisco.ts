/** Of Cisco's attributes those that an LNS meets; most are in Cisco-AVPair. */
export const CISCO = `
VENDOR Cisco 9
BEGIN-VENDOR Cisco
ATTRIBUTE Cisco-AVPair 1 string
ATTRIBUTE Cisco-NAS-Port 2 string
ATTRIBUTE Cisco-Policy-Up 37 string
ATTRIBUTE Cisco-Policy-Down 38 string
ATTRIBUTE Cisco-Multilink-ID 187 integer
ATTRIBUTE Cisco-Num-In-Multilink 188 integer
ATTRIBUTE Cisco-Pre-Input-Octets 190 integer
ATTRIBUTE Cisco-Pre-Output-Octets 191 integer
ATTRIBUTE Cisco-Pre-Input-Packets 192 integer
ATTRIBUTE Cisco-Pre-Output-Packets 193 integer
ATTRIBUTE Cisco-Maximum-Time 194 integer
ATTRIBUTE Cisco-Disconnect-Cause 195 integer
ATTRIBUTE Cisco-Data-Rate 197 integer
ATTRIBUTE Cisco-PreSession-Time 198 integer
ATTRIBUTE Cisco-Maximum-Channels 235 integer
ATTRIBUTE Cisco-Idle-Limit 244 integer
ATTRIBUTE Cisco-Account-Info 250 string
ATTRIBUTE Cisco-Service-Info 251 string
ATTRIBUTE Cisco-Command-Code 252 string
ATTRIBUTE Cisco-Control-Info 253 string
ATTRIBUTE Cisco-Xmit-Rate 255 integer
END-VENDOR Cisco
`
