/**
 * Writes src/lab/apiserver/protobuf/fields.generated.ts: the field numbers of Kubernetes' API types. Any kubectl
 * carries them, as compressed descriptors of its protobuf files:
 *
 *   sh tools/node26 tools/generate-protobuf-fields.ts /usr/bin/kubectl
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { constants, gunzipSync } from 'node:zlib';

const PACKAGES: Readonly<Record<string, string>> = {
  'k8s.io.api.apps.v1': 'apps/v1',
  'k8s.io.api.authentication.v1': 'authentication/v1',
  'k8s.io.api.authorization.v1': 'authorization/v1',
  'k8s.io.api.autoscaling.v1': 'autoscaling/v1',
  'k8s.io.api.autoscaling.v2': 'autoscaling/v2',
  'k8s.io.api.batch.v1': 'batch/v1',
  'k8s.io.api.coordination.v1': 'coordination/v1',
  'k8s.io.api.core.v1': 'core/v1',
  'k8s.io.api.discovery.v1': 'discovery/v1',
  'k8s.io.api.events.v1': 'events/v1',
  'k8s.io.api.networking.v1': 'networking/v1',
  'k8s.io.api.policy.v1': 'policy/v1',
  'k8s.io.api.rbac.v1': 'rbac/v1',
  'k8s.io.api.scheduling.v1': 'scheduling/v1',
  'k8s.io.api.storage.v1': 'storage/v1',
  'k8s.io.apimachinery.pkg.apis.meta.v1': 'meta/v1',
  'k8s.io.apimachinery.pkg.api.resource': 'resource',
  'k8s.io.apimachinery.pkg.runtime': 'runtime',
  'k8s.io.apimachinery.pkg.util.intstr': 'intstr',
};

/** FieldDescriptorProto.Type (google/protobuf/descriptor.proto). */
const SCALARS: Readonly<Record<number, string>> = {
  1: 'double',
  3: 'int',
  5: 'int',
  8: 'bool',
  9: 'string',
  12: 'bytes',
};
const MESSAGE = 11;
const REPEATED = 3;

type Field = readonly [number: number, value: number | Buffer];

function* fieldsOf(bytes: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at);
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag % 8 === 0) yield [Math.floor(tag / 8), varint()];
    else {
      const length = varint();
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    }
  }
}

function all(bytes: Buffer, number: number): Buffer[] {
  return [...fieldsOf(bytes)].flatMap(([found, value]) =>
    found === number && Buffer.isBuffer(value) ? [value] : [],
  );
}

function text(bytes: Buffer, number: number): string {
  return all(bytes, number)[0]?.toString('utf8') ?? '';
}

function integer(bytes: Buffer, number: number): number {
  for (const [found, value] of fieldsOf(bytes))
    if (found === number && typeof value === 'number') return value;
  return 0;
}

function typeName(reference: string): string {
  const [, packageName = '', message = ''] = /^\.(.*)\.([^.]+)$/u.exec(reference) ?? [];
  return `${PACKAGES[packageName] ?? packageName}.${message}`;
}

function describe(message: Buffer, packageName: string): string {
  const entries = new Map(
    all(message, 3).map((nested) => [
      text(nested, 1),
      all(nested, 2).find((field) => integer(field, 3) === 2),
    ]),
  );
  const lines = all(message, 2).map((field) => {
    const type = integer(field, 5);
    const reference = text(field, 6);
    const value = entries.get(reference.slice(reference.lastIndexOf('.') + 1));
    const number = integer(field, 3);
    const name = text(field, 1);
    const plain = (of: Buffer): string =>
      integer(of, 5) === MESSAGE ? typeName(text(of, 6)) : (SCALARS[integer(of, 5)] ?? '?');
    if (type === MESSAGE && value !== undefined) return `${number} ${name} map ${plain(value)}`;
    return `${number} ${name} ${integer(field, 4) === REPEATED ? '[]' : ''}${plain(field)}`;
  });
  return [`${PACKAGES[packageName]}.${text(message, 1)}`, ...lines].join('\n');
}

function descriptors(program: Buffer): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  const magic = Buffer.of(0x1f, 0x8b, 0x08);
  for (let at = program.indexOf(magic); at >= 0; at = program.indexOf(magic, at + 1)) {
    try {
      const file = gunzipSync(program.subarray(at, at + 200_000), { finishFlush: constants.Z_SYNC_FLUSH });
      const packageName = text(file, 2);
      if (packageName in PACKAGES) found.set(packageName, file);
    } catch {
      // Three bytes that only look like the start of a gzip stream.
    }
  }
  return found;
}

const [, , kubectl] = process.argv;
if (kubectl === undefined) throw new Error('usage: generate-protobuf-fields.ts KUBECTL');
const files = descriptors(readFileSync(kubectl));
const missing = Object.keys(PACKAGES).filter((name) => !files.has(name));
if (missing.length > 0) throw new Error(`${kubectl} has no descriptors of ${missing.join(', ')}`);
const messages = [...files]
  .flatMap(([packageName, file]) => all(file, 4).map((message) => describe(message, packageName)))
  .filter((block) => !/^[^\n]*List\n/u.test(block))
  .sort();
writeFileSync(
  new URL('../src/lab/apiserver/protobuf/fields.generated.ts', import.meta.url),
  `// Made by tools/generate-protobuf-fields.ts; do not edit. The format is told in decode.ts.\nexport const fieldText = \`\n${messages.join('\n\n')}\n\`;\n`,
);
