import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import dnsPacket from 'dns-packet';

/** A resolver outside: every name has 192.0.2.80 and 2001:db8::80, but those that begin with `gone.`, or have no `.example`. */
export interface Upstream {
  /** What it was asked, `NAME TYPE`, in small letters. */
  readonly questions: string[];
  close(): void;
}

export async function startUpstream(address: string): Promise<Upstream> {
  const questions: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message, peer) => {
    const { question, answer } = answerOf(message);
    questions.push(question);
    socket.send(answer, peer.port, peer.address);
  });
  socket.bind(53, address);
  await once(socket, 'listening');
  return { questions, close: () => socket.close() };
}

/** What the resolver outside answers, and what it was asked. */
export function answerOf(message: Buffer): { readonly question: string; readonly answer: Buffer } {
  const { id = 0, questions: asked = [] } = dnsPacket.decode(message);
  const name = (asked[0]?.name ?? '').toLowerCase();
  const type = asked[0]?.type ?? 'A';
  const exists = name.endsWith('.example') && !name.startsWith('gone.');
  const answers: dnsPacket.Answer[] = [];
  if (exists && type === 'A') answers.push({ type, name, ttl: 60, data: '192.0.2.80' });
  if (exists && type === 'AAAA') answers.push({ type, name, ttl: 60, data: '2001:db8::80' });
  const flags = dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | (exists ? 0 : 3);
  const answer = dnsPacket.encode({ type: 'response', id, flags, questions: asked, answers });
  return { question: `${name} ${type}`, answer };
}
