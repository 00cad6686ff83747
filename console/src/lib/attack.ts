// Names of the MITRE ATT&CK techniques findings name most, so that they read without a network.
//
// Names are those of ATT&CK for ICS v18, © The MITRE Corporation, used under its terms of use.
// Not here: descriptions. Invariant: an id that is not here is shown as it is.
const NAMES: Record<string, string> = {
  T0800: 'Activate Firmware Update Mode',
  T0801: 'Monitor Process State',
  T0802: 'Automated Collection',
  T0803: 'Block Command Message',
  T0804: 'Block Reporting Message',
  T0806: 'Brute Force I/O',
  T0812: 'Default Credentials',
  T0813: 'Denial of Control',
  T0814: 'Denial of Service',
  T0816: 'Device Restart/Shutdown',
  T0819: 'Exploit Public-Facing Application',
  T0821: 'Modify Controller Tasking',
  T0822: 'External Remote Services',
  T0826: 'Loss of Availability',
  T0827: 'Loss of Control',
  T0829: 'Loss of View',
  T0830: 'Adversary-in-the-Middle',
  T0831: 'Manipulation of Control',
  T0832: 'Manipulation of View',
  T0835: 'Manipulate I/O Image',
  T0836: 'Modify Parameter',
  T0838: 'Modify Alarm Settings',
  T0839: 'Module Firmware',
  T0840: 'Network Connection Enumeration',
  T0842: 'Network Sniffing',
  T0843: 'Program Download',
  T0845: 'Program Upload',
  T0846: 'Remote System Discovery',
  T0848: 'Rogue Master',
  T0849: 'Masquerading',
  T0855: 'Unauthorized Command Message',
  T0856: 'Spoof Reporting Message',
  T0857: 'System Firmware',
  T0858: 'Change Operating Mode',
  T0859: 'Valid Accounts',
  T0861: 'Point & Tag Identification',
  T0864: 'Transient Cyber Asset',
  T0866: 'Exploitation of Remote Services',
  T0867: 'Lateral Tool Transfer',
  T0868: 'Detect Operating Mode',
  T0869: 'Standard Application Layer Protocol',
  T0871: 'Execution through API',
  T0872: 'Indicator Removal on Host',
  T0877: 'I/O Image',
  T0878: 'Alarm Suppression',
  T0881: 'Service Stop',
  T0882: 'Theft of Operational Information',
  T0883: 'Internet Accessible Device',
  T0884: 'Connection Proxy',
  T0885: 'Commonly Used Port',
  T0886: 'Remote Services',
  T0888: 'Remote System Information Discovery',
  T0889: 'Modify Program',
  T0891: 'Hardcoded Credentials',
  T0892: 'Change Credential',
  T1046: 'Network Service Discovery',
  T1110: 'Brute Force',
  T1557: 'Adversary-in-the-Middle',
};

export function techniqueName(id: string): string | null {
  return NAMES[id] ?? null;
}

/** Where MITRE describes it; null for what is no technique's id. */
export function techniqueUrl(id: string): string | null {
  const parts = /^(T\d{4})(?:\.(\d{3}))?$/.exec(id);
  if (!parts) return null;
  const path = parts[2] ? `${parts[1]}/${parts[2]}` : parts[1];
  return `https://attack.mitre.org/techniques/${path}/`;
}
