// Icons of the asset classes, as strokes on a grid of 24 by 24.
// Not here: the tiles they stand on. Invariant: every class of the model has one.

const circle = (x: number, y: number, r: number): string =>
  `M${x - r} ${y}a${r} ${r} 0 1 1 ${2 * r} 0a${r} ${r} 0 1 1 ${-2 * r} 0z`;

export const ICONS: Readonly<Record<string, string>> = {
  plc:
    'M3 5h18v14H3z M9 5v14 M15 5v14 M5.2 8.5h1.6 M11.2 8.5h1.6 M17.2 8.5h1.6 ' +
    'M5.2 15.5h1.6 M11.2 15.5h1.6 M17.2 15.5h1.6',
  rtu:
    `M3.5 12h14v8.5h-14z M6.5 16.2h4 M14 12V7 M10.9 3.4a4.4 4.4 0 0 0 0 5.6 ` +
    `M17.1 3.4a4.4 4.4 0 0 1 0 5.6 ${circle(14, 6.2, 0.8)}`,
  ied: 'M4.5 3h15v18h-15z M13.2 6L9 12.4h6L10.8 18',
  'building-controller':
    'M4.5 21V3.5h10V21 M14.5 9h5v12 M2.5 21h19 M7.5 7.2h1 M10.8 7.2h1 M7.5 11.2h1 ' +
    'M10.8 11.2h1 M7.5 15.2h1 M10.8 15.2h1 M17 12.6v1 M17 16.6v1',
  robot:
    `M3.5 21h9 M8 21v-3.2 ${circle(8, 16, 1.8)} M8.9 14.4l2.5-5 ` +
    `${circle(12.2, 7.8, 1.8)} M13.9 7.2l4-1.4 M20.6 8l-2.9-2.1.9-3.4`,
  drive: 'M3.5 3.5h17v17h-17z M6.5 12c1.8-6 3.7-6 5.5 0s3.7 6 5.5 0',
  'io-adapter':
    'M4 3.5h7v17H4z M11 7h4.5 M11 12h4.5 M11 17h4.5 M15.5 5.2h4.5v3.6h-4.5z ' +
    'M15.5 10.2h4.5v3.6h-4.5z M15.5 15.2h4.5v3.6h-4.5z M6.8 7h1.4 M6.8 10h1.4',
  meter: `${circle(12, 12, 9)} M6.8 14.5a5.6 5.6 0 1 1 10.4 0 M12 13.2l2.8-3.6 M8.5 17.5h7`,
  sensor:
    `${circle(12, 12, 2)} M8.2 8.2a5.4 5.4 0 0 0 0 7.6 M15.8 8.2a5.4 5.4 0 0 1 0 7.6 ` +
    `M5.2 5.2a9.6 9.6 0 0 0 0 13.6 M18.8 5.2a9.6 9.6 0 0 1 0 13.6`,
  hmi: 'M3 4h18v13H3z M8.5 20.5h7 M6.5 13.5l3.2-4 3 2.8 4.8-5',
  scada:
    `M2.5 4h19v12.5h-19z M8 20.5h8 M12 16.5v4 M6 7.5h4v5.5H6z M10 10.2h3.2 ` +
    `${circle(15.6, 10.2, 2.3)}`,
  'engineering-station':
    'M4.5 4.5h15v11h-15z M2 19.5h20 M9.8 7.8L7.6 10l2.2 2.2 M14.2 7.8l2.2 2.2-2.2 2.2',
  historian:
    'M4.5 6c0-1.7 3.4-3 7.5-3s7.5 1.3 7.5 3-3.4 3-7.5 3-7.5-1.3-7.5-3z ' +
    'M4.5 6v12c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3V6 M8 16.4l2.6-2.9 2.4 1.9 3-3.8',
  gateway: 'M3.5 4.5h17v15h-17z M7 9.5h9.5 M14 7l2.5 2.5L14 12 M17 14.5H7.5 M10 12l-2.5 2.5L10 17',
  firewall:
    'M3 5h18v14H3z M3 9.7h18 M3 14.3h18 M9 5v4.7 M15 5v4.7 M6.2 9.7v4.6 M12 9.7v4.6 ' +
    'M17.8 9.7v4.6 M9 14.3V19 M15 14.3V19',
  router:
    `${circle(12, 12, 9)} M12 9.8V5.6 M10.3 7.2L12 5.6l1.7 1.6 M12 14.2v4.2 ` +
    `M10.3 16.8l1.7 1.6 1.7-1.6 M5.4 12h4.2 M8 10.3L9.6 12 8 13.7 M18.6 12h-4.2 ` +
    `M16 10.3L14.4 12l1.6 1.7`,
  switch:
    'M2.5 8.5h19v7.5h-19z M5.6 11.2h2.4v2.2H5.6z M10.8 11.2h2.4v2.2h-2.4z ' +
    'M16 11.2h2.4v2.2H16z M6.8 8.5V5 M12 8.5V5 M17.2 8.5V5 M12 16v3',
  'access-point':
    'M4 14.5h16V20H4z M7.4 17.2h.6 M10.6 17.2h.6 M12 14.5v-3 M9 8.4a4.3 4.3 0 0 1 6 0 ' +
    'M6.2 5.6a8.3 8.3 0 0 1 11.6 0',
  clock: `${circle(12, 12, 9)} M12 6.8V12l3.6 2.2`,
  'power-supply': 'M3 7.5h16v10H3z M19 10.5h2.5v4H19 M11.8 9.4l-2.6 3.4h3.6l-2.6 3.2',
  server:
    'M4 3.5h16v7.2H4z M4 13.3h16v7.2H4z M7.2 7.1h.8 M7.2 16.9h.8 M11.5 7.1h5.5 M11.5 16.9h5.5',
  'virtual-machine': 'M12 2.8l8 4.6v9.2l-8 4.6-8-4.6V7.4z M4 7.4l8 4.6 8-4.6 M12 12v9.2',
  workstation: 'M3 4h18v12H3z M8 20.5h8 M12 16v4.5',
  printer: 'M7 8.5v-5h10v5 M7 17H3.5V8.5h17V17H17 M7 14h10v6.5H7z M17 11.3h.6',
  camera: `M3 7h12.5v10H3z M15.5 10.6l5.5-2.8v8.4l-5.5-2.8`,
  phone:
    'M5.2 3.8h3.6l1.9 4.6-2.4 1.5a11 11 0 0 0 5.8 5.8l1.5-2.4 4.6 1.9v3.6a1.8 1.8 0 0 1-2 1.8A15.6 15.6 0 0 1 3.4 5.8a1.8 1.8 0 0 1 1.8-2z',
  mobile: 'M7 2.5h10v19H7z M10.8 18.4h2.4',
  external:
    `${circle(12, 12, 9)} M3 12h18 M12 3c3.6 3.2 3.6 14.8 0 18 ` + `M12 3c-3.6 3.2-3.6 14.8 0 18`,
  unknown: 'M8.4 9.2a3.7 3.7 0 1 1 5.4 3.3c-1.2.6-1.8 1.4-1.8 2.7 M12 18.8v.4',
};

export const iconOf = (name: string): string => ICONS[name] ?? ICONS['unknown'] ?? '';
