import { describe, expect, it } from 'vitest';
import { every, isState, STATES, STATE_COLOUR, STATE_SAYS, STATE_TONE } from './protection';

describe('words of protection', () => {
  it('say spans as a person does', () => {
    expect([every(1), every(45), every(60), every(90), every(240), every(1_440), every(10_080)]).toEqual([
      'minute',
      '45 minutes',
      'hour',
      '90 minutes',
      '4 hours',
      'day',
      '7 days',
    ]);
  });

  it('have a colour, a tone and a sentence for each state', () => {
    for (const state of STATES) {
      expect(STATE_COLOUR[state]).toMatch(/^var\(--/);
      expect(STATE_SAYS[state].length).toBeGreaterThan(10);
      expect(STATE_TONE[state]).toBeDefined();
    }
    expect(isState('late')).toBe(true);
    expect(isState('fine')).toBe(false);
  });
});
