import type { AnswerRoom } from '../answer.ts';
import type { IpFamily } from '../../model/ip.ts';
import type { Query } from '../wire/query.ts';

/** One question of a client. Valid during the call it is passed to, like the buffer it stands in. */
export interface Request {
  readonly message: Buffer;
  readonly length: number;
  readonly query: Query;
  readonly transport: 'udp' | 'tcp';
  readonly family: IpFamily;
  /** The client's address as text, and its port; made when asked for. */
  readonly client: () => Client;
}

export interface Client {
  readonly address: string;
  readonly port: number;
}

/** Goes on when the answer is there, with a copy of the message and a room of its own. Never rejects. */
export type Later = (message: Buffer, room: AnswerRoom) => Promise<number>;

/** The length of the answer written, 0 for none, or what has to wait for others. */
export type Reply = number | Later;

/** One plugin's part: answers, or leaves the question to the next. */
export type Step = (request: Request, room: AnswerRoom) => Reply | undefined;

/** All that follows a plugin. */
export type Next = (request: Request, room: AnswerRoom) => Reply;

/** A plugin that changes what comes in or goes out. */
export type Layer = (next: Next) => Next;

export function stepLayer(step: Step): Layer {
  return (next) => (request, room) => step(request, room) ?? next(request, room);
}
