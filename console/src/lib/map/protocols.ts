// Protocols by family: what gives a link its colour.
// Not here: the colours, which the theme has. Invariant: every name belongs to exactly one family.

export interface Family {
  id: string;
  label: string;
  /** Speaks to controllers and field devices. */
  ot: boolean;
  /** Told apart without colour; empty is a solid line. */
  dash: readonly number[];
  names: readonly string[];
  /** Comes along with everything else. */
  plain?: boolean;
}

const words = (text: string): string[] => text.split(' ');

export const FAMILIES: readonly Family[] = [
  {
    id: 'siemens',
    label: 'S7 and PROFINET',
    ot: true,
    dash: [],
    names: words('s7comm s7commplus s7 cotp tpkt pndcp pnio pnrt profinet profinetio pnptcp'),
  },
  {
    id: 'cip',
    label: 'EtherNet/IP and CIP',
    ot: true,
    dash: [],
    names: words('enip cip cipio ethernetip pccc dlr'),
  },
  { id: 'modbus', label: 'Modbus', ot: true, dash: [], names: words('modbus modbustcp umas') },
  {
    id: 'grid',
    label: 'Power grid',
    ot: true,
    dash: [],
    names: words(
      'dnp3 iec104 iec60870 iec608705104 mms iec61850 goose sv sampledvalues c1222 c37118 ' +
        'synphasor dlms cosem iccp tase2',
    ),
  },
  {
    id: 'building',
    label: 'Buildings',
    ot: true,
    dash: [],
    names: words(
      'bacnet bacnetip knx knxnetip knxip cnip zigbee lontalk niagara fox ' + 'niagarafox dali',
    ),
  },
  {
    id: 'middleware',
    label: 'OPC UA and messaging',
    ot: true,
    dash: [],
    names: words('opcua opcda mqtt mqttsn sparkplug amqp dds rtps coap'),
  },
  {
    id: 'vendor',
    label: 'Other control',
    ot: true,
    dash: [],
    names: words(
      'fins omron melsec slmp mcprotocol ads ams twincat codesys codesysv3 gesrtp srtp ' +
        'hartip hart foundation ethercat ecat powerlink epl sercos cclink cclinkie ffhse ' +
        'iolink redlion crimson yokogawa vnetip ' +
        'deltav bsap canopen egd ethersio genisys ifix roc rocplus sbus suitelink ' +
        'trdp tristation ovation toyopuc mewtocol hostlink atg',
    ),
  },
  {
    id: 'remote',
    label: 'Remote access',
    ot: false,
    dash: [7, 3],
    names: words(
      'ssh telnet rdp vnc rfb teamviewer anydesk winrm rlogin x11 openvpn wireguard ipsec ike',
    ),
  },
  {
    id: 'files',
    label: 'Files, directory, databases',
    ot: false,
    dash: [3, 2.5],
    names: words(
      'smb smb1 smb2 ftp tftp nfs ldap ldaps kerberos krb5 ntlmssp dcerpc msrpc ntlm tds mssql ' +
        'mysql postgres ' +
        'postgresql oracle tns redis mongodb rsync radius dicom hl7 samr netlogon drsuapi',
    ),
  },
  {
    id: 'web',
    label: 'Web and TLS',
    ot: false,
    dash: [10, 3],
    names: words('http https http2 tls ssl quic websocket smtp imap pop3 sip rtp rtsp'),
  },
  {
    id: 'services',
    plain: true,
    label: 'Network services',
    ot: false,
    dash: [1.5, 3],
    names: words(
      'dns mdns llmnr nbns browser ssdp upnp wsdiscovery wsd dhcp dhcpv6 bootp ntp ptp ' +
        'sntp snmp snmptrap syslog ' +
        'lldp cdp arp icmp icmpv6 igmp stp rstp mrp hsr prp vrrp hsrp eigrp ospf bgp rip ' +
        'netbios ndp lacp gre',
    ),
  },
  { id: 'other', plain: true, label: 'Other', ot: false, dash: [1.5, 3], names: [] },
];

export const OTHER_FAMILY = FAMILIES.length - 1;
const BY_NAME = new Map<string, number>();
FAMILIES.forEach((family, index) => family.names.forEach((name) => BY_NAME.set(name, index)));

const known = new Map<string, number>();
const KNOWN_MAX = 4096;

/** Index in FAMILIES. `modbus/tcp`, `Modbus` and `modbus_tcp` are the same protocol. */
export function familyOf(protocol: string): number {
  const cached = known.get(protocol);
  if (cached !== undefined) return cached;
  const plain = protocol.toLowerCase().replace(/[^a-z0-9]/g, '');
  const head = protocol.toLowerCase().split(/[^a-z0-9]/, 1)[0] ?? '';
  const family = BY_NAME.get(plain) ?? BY_NAME.get(head) ?? OTHER_FAMILY;
  // Names come from the network: the memory of them is bounded.
  if (known.size < KNOWN_MAX) known.set(protocol, family);
  return family;
}

/**
 * The family that colours a link of several protocols. Control protocols win over any volume of
 * others: that somebody writes to a controller matters more than the files he also fetches.
 */
export function leadingFamily(volumes: Readonly<Record<string, number>>): number {
  let best = OTHER_FAMILY;
  let bestWeight = 0;
  let most = -1;
  for (const [protocol, bytes] of Object.entries(volumes)) {
    const index = familyOf(protocol);
    const family = FAMILIES[index];
    const weight = family?.ot ? 3 : family?.plain ? 1 : 2;
    if (weight < bestWeight || (weight === bestWeight && bytes < most)) continue;
    if (weight === bestWeight && bytes === most && index > best) continue;
    best = index;
    bestWeight = weight;
    most = bytes;
  }
  return best;
}
