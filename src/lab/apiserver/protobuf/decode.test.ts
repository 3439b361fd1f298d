import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeKubernetesProtobuf, ProtobufError } from './decode.ts';

/** A field as bytes: a varint for numbers, a length and content for the rest. */
function field(number: number, value: number | string | Buffer): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number * 8), varint(value)]);
  const content = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const typeMeta = Buffer.concat([field(1, apiVersion), field(2, kind)]);
  return Buffer.concat([Buffer.from('k8s\0'), field(1, typeMeta), field(2, raw)]);
}

const metadata = (name: string): Buffer =>
  field(1, Buffer.concat([field(1, name), field(2, ''), field(8, Buffer.alloc(0))]));

test('decodeKubernetesProtobuf reads names, maps, bytes, times and leaves zeros out', () => {
  const entry = Buffer.concat([field(1, 'key'), field(2, Buffer.from('value'))]);
  const secret = Buffer.concat([metadata('s'), field(2, entry), field(3, 'Opaque')]);
  assert.deepEqual(decodeKubernetesProtobuf(envelope('v1', 'Secret', secret)), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    data: { key: Buffer.from('value').toString('base64') },
    type: 'Opaque',
  });
});

test('decodeKubernetesProtobuf inlines what JSON inlines and reads either form of int-or-string', () => {
  const http = Buffer.concat([
    field(1, '/'),
    field(2, Buffer.concat([field(1, 1), field(2, 0), field(3, 'web')])),
  ]);
  const probe = Buffer.concat([field(1, field(2, http)), field(4, 7)]);
  const container = Buffer.concat([field(1, 'web'), field(2, 'nginx'), field(11, probe)]);
  const pod = Buffer.concat([metadata('p'), field(2, field(2, container))]);
  assert.deepEqual(decodeKubernetesProtobuf(envelope('v1', 'Pod', pod)), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      containers: [
        {
          name: 'web',
          image: 'nginx',
          readinessProbe: { httpGet: { path: '/', port: 'web' }, periodSeconds: 7 },
        },
      ],
    },
  });
});

test('decodeKubernetesProtobuf keeps the zeros of pointers', () => {
  const deployment = Buffer.concat([metadata('d'), field(2, Buffer.concat([field(1, 0), field(5, 0)]))]);
  const { spec } = decodeKubernetesProtobuf(envelope('apps/v1', 'Deployment', deployment));
  assert.deepEqual(spec, { replicas: 0 });
});

test('decodeKubernetesProtobuf refuses what is cut off, nameless or nothing', () => {
  const whole = envelope('v1', 'Secret', metadata('s'));
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('{}'),
    Buffer.from('k8s\0'),
    whole.subarray(0, -1),
    envelope('v1', 'Nothing', Buffer.alloc(0)),
    envelope('v1', 'Secret', Buffer.from([0xff])),
  ]) {
    assert.throws(() => decodeKubernetesProtobuf(bytes), ProtobufError);
  }
});
