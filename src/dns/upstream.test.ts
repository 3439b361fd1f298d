import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';

import { createUpstreams, isAnswerTo, parseUpstream } from './upstream.ts';
import { FLAG, TYPE } from './wire/constants.ts';
import { encodeMessage } from './wire/message.ts';

test('parseUpstream reads addresses with and without a port', () => {
  assert.deepEqual(parseUpstream('192.0.2.53'), { address: '192.0.2.53', port: 53 });
  assert.deepEqual(parseUpstream('192.0.2.53:5353'), { address: '192.0.2.53', port: 5353 });
  assert.deepEqual(parseUpstream('2001:db8::53'), { address: '2001:db8::53', port: 53 });
  assert.deepEqual(parseUpstream('[2001:db8::53]:5353'), { address: '2001:db8::53', port: 5353 });
  for (const bad of ['', 'dns.example', '192.0.2.53:0', '192.0.2.53:70000', '[192.0.2.53', '192.0.2.053']) {
    assert.throws(() => parseUpstream(bad), { code: 'dns-upstream-invalid' }, bad);
  }
});

test('isAnswerTo wants the same id and question, in any spelling', () => {
  const message = (id: number, flags: number, name: string, type: number = TYPE.A): Buffer =>
    encodeMessage({ id, flags, questions: [{ name, type }], answers: [], authority: [], additional: [] });
  const query = message(7, FLAG.RD, 'example.com');
  assert.equal(isAnswerTo(query, message(7, FLAG.QR, 'Example.com')), true);
  assert.equal(isAnswerTo(query, message(8, FLAG.QR, 'example.com')), false);
  assert.equal(isAnswerTo(query, message(7, 0, 'example.com')), false);
  assert.equal(isAnswerTo(query, message(7, FLAG.QR, 'example.org')), false);
  assert.equal(isAnswerTo(query, message(7, FLAG.QR, 'example.com', TYPE.AAAA)), false);
  assert.equal(isAnswerTo(query, Buffer.alloc(5)), false);
});

test('createUpstreams fails at once without upstreams, and when too many wait', async () => {
  const none = createUpstreams({ upstreams: [] });
  await assert.rejects(none.ask({ name: 'example.com', type: TYPE.A }), /No upstream resolver/);
  const full = createUpstreams({ upstreams: [], maxInFlight: 0 });
  await assert.rejects(full.ask({ name: 'example.com', type: TYPE.A }), /More than 0 questions/);
});

test('createUpstreams goes on to the next upstream when one cannot even be sent to', async () => {
  // A socket that did not ask to broadcast may not connect there, with or without a network.
  const unreachable = { address: '255.255.255.255', port: 53 };
  const server = createSocket('udp4');
  server.on('message', (message, peer) => {
    message.writeUInt16BE(FLAG.QR, 2);
    server.send(message, peer.port, peer.address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const upstreams = [unreachable, { address: '127.0.0.1', port: server.address().port }];
  const answer = await createUpstreams({ upstreams }).ask({ name: 'example.com', type: TYPE.A });
  assert.equal(answer.readUInt16BE(2) & FLAG.QR, FLAG.QR);
  await assert.rejects(
    createUpstreams({ upstreams: [unreachable] }).ask({ name: 'example.com', type: TYPE.A }),
  );
  server.close();
});
