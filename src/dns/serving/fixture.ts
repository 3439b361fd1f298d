/** Servers of a Corefile over the fixture's zone, and questions to them, for tests. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import dnsPacket from 'dns-packet';
import { compileCorefile } from '../corefile/compile.ts';
import { fixtureZone } from '../zone/fixture.ts';
import { createBlock } from './block.ts';
import type { ClientLimits } from './client-limits.ts';
import { createServer, type DnsServer } from './server.ts';

export interface SetUp {
  readonly limits?: ClientLimits;
  readonly secret?: Buffer;
  readonly upstream?: number;
  readonly files?: ReadonlyMap<string, string>;
}

/** A server of this Corefile over the fixture's zone; pods of 10.244.1.0/24 are in the namespace `default`. */
export function serverOf(
  corefile: string,
  { upstream, files = new Map(), ...options }: SetUp = {},
): DnsServer {
  const zone = fixtureZone();
  const nodeResolvers = upstream === undefined ? [] : [`127.0.0.1:${upstream}`];
  const { servers } = compileCorefile(corefile, { nodeResolvers, files });
  const blocks = servers.map((plan) =>
    createBlock(plan, {
      zoneFor: () => zone,
      clusterDomain: zone.clusterDomain,
      namespaceOf: (address) => (address.startsWith('10.244.1.') ? 'default' : undefined),
      nodeSearches: ['lan'],
    }),
  );
  return createServer({ blocks, ...options, onError: (error) => assert.fail(String(error)) });
}

export const block = (lines: string, setUp?: SetUp): DnsServer =>
  serverOf(
    `. {\n${lines}\nkubernetes cluster.local in-addr.arpa {\n pods insecure\n fallthrough in-addr.arpa\n}\nforward . /etc/resolv.conf\ncache\n}`,
    setUp,
  );

export interface EdnsOption {
  readonly code: number;
  readonly data: Buffer;
}

export interface Asked {
  readonly from?: string;
  readonly class?: dnsPacket.RecordClass;
  readonly additionals?: dnsPacket.Answer[];
  /** Makes an EDNS record. */
  readonly edns?: { readonly udpBytes: number; readonly options: readonly EdnsOption[] };
  /** Unless told a client that is not limited. */
  readonly clientKey?: number;
  readonly transport?: 'udp' | 'tcp';
}

export async function ask(
  server: DnsServer,
  name: string,
  type: dnsPacket.RecordType | 'ANY' = 'A',
  { from = '10.244.1.9', class: of = 'IN', additionals = [], edns, clientKey, transport = 'udp' }: Asked = {},
): Promise<dnsPacket.DecodedPacket & { length: number }> {
  const plain = dnsPacket.encode({
    type: 'query',
    id: 4711,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: type as dnsPacket.RecordType, class: of }],
    additionals,
  });
  const message = edns === undefined ? plain : withEdns(plain, edns);
  const room = { out: Buffer.alloc(65_535), transport } as const;
  const client = (): { address: string; port: number } => ({ address: from, port: 40_000 });
  const reply = server.respond(
    { message, length: message.length, transport, family: 4, client, clientKey },
    room,
  );
  const length = typeof reply === 'number' ? reply : await reply(Buffer.from(message), room);
  if (length === 0) return { length } as dnsPacket.DecodedPacket & { length: number };
  const packet = dnsPacket.decode(room.out.subarray(0, length));
  assert.equal(packet.id, 4711);
  assert.equal(packet.questions?.[0]?.name, name, 'the question was not given back as asked');
  return { ...packet, length };
}

function withEdns(message: Buffer, { udpBytes, options }: NonNullable<Asked['edns']>): Buffer {
  const data = Buffer.concat(
    options.flatMap((option) => {
      const head = Buffer.alloc(4);
      head.writeUInt16BE(option.code, 0);
      head.writeUInt16BE(option.data.length, 2);
      return [head, option.data];
    }),
  );
  const record = Buffer.alloc(11);
  record.writeUInt16BE(41, 1);
  record.writeUInt16BE(udpBytes, 3);
  record.writeUInt16BE(data.length, 9);
  const whole = Buffer.concat([message, record, data]);
  whole.writeUInt16BE(whole.readUInt16BE(10) + 1, 10);
  return whole;
}

/** `NOERROR web.example A 10.0.0.1 | …` */
export function print({ answers = [], flags = 0 }: dnsPacket.DecodedPacket): string {
  const rcode = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'][flags & 0xf];
  const rows = answers.map((answer) => {
    const data = 'data' in answer ? answer.data : '';
    return `${answer.name} ${answer.type} ${typeof data === 'string' ? data : JSON.stringify(data)}`;
  });
  return [rcode, rows.join(' | ')].filter((part) => part !== '').join(' ');
}

/** An upstream that knows `*.example.org` as 192.0.2.80 (A) and nothing else; tells what it was asked. */
export async function startUpstream(t: TestContext): Promise<{ port: number; asked: string[] }> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (message, peer) => {
    const { id = 0, questions = [] } = dnsPacket.decode(message);
    const name = questions[0]?.name ?? '';
    const type = questions[0]?.type ?? 'A';
    asked.push(`${name.toLowerCase()} ${type}`);
    const isKnown = name.toLowerCase().endsWith('example.org');
    const answers: dnsPacket.Answer[] =
      isKnown && type === 'A' ? [{ type: 'A', name, ttl: 300, data: '192.0.2.80' }] : [];
    const answer = dnsPacket.encode({ type: 'response', id, flags: isKnown ? 0 : 3, questions, answers });
    socket.send(answer, peer.port, peer.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return { port: socket.address().port, asked };
}
