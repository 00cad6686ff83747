// The order in which the proof of a finding is told.
//
// Not here: how it is drawn. Invariant: pure; pieces that are no messages stay where they are.
import type { Evidence } from './api/types';

type Message = Extract<Evidence, { kind: 'message' }>;

/** Messages as they were sent: a finding gets those of an earlier run after its newest ones. */
export function asSent(pieces: readonly Evidence[]): Evidence[] {
  const isMessage = (piece: Evidence): piece is Message => piece.kind === 'message';
  const sent = pieces
    .filter(isMessage)
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || a.frame - b.frame);
  return pieces.map((piece) => (isMessage(piece) ? (sent.shift() ?? piece) : piece));
}
