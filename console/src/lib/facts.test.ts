import { expect, test } from 'vitest';
import { disagree } from './facts';

test('sources that say something else disagree', () => {
  expect(disagree('firmware', ['2.1', '2.1'])).toBe(false);
  expect(disagree('firmware', ['2.1', '2.10'])).toBe(true);
  expect(disagree('firmware', [])).toBe(false);
});

test('what a device may have several of is no disagreement', () => {
  expect(disagree('service', ['_ssh._tcp', '_http._tcp'])).toBe(false);
  expect(disagree('hostname', ['filler', 'filler.plant.example'])).toBe(false);
});

test('a maker that is written down in two ways is one', () => {
  const rockwell = ['Rockwell Automation/Allen-Bradley', 'Rockwell Automation'];
  expect(disagree('vendor', rockwell)).toBe(false);
  expect(disagree('vendor', ['Siemens', 'SIEMENS AG', 'Siemens AG'])).toBe(false);
  expect(disagree('vendor', ['Siemens AG', 'VMware, Inc.'])).toBe(true);
  expect(disagree('vendor', ['Moxa', 'Moxatron'])).toBe(true);
});
