/**
 * Request bodies in Kubernetes' protobuf encoding, as kubectl's typed commands (`create deployment`, `create
 * namespace`, `auth can-i`) send them. Only decoding: answers are JSON, which every client accepts.
 *
 * The generated table has one block a message; `map` values are messages of key and value:
 * ```
 * core/v1.Pod
 * 1 metadata meta/v1.ObjectMeta
 * 2 spec core/v1.PodSpec
 * ```
 */
import { isObject, setKey, type Loose } from '../json-value.ts';
import { fieldText } from './fields.generated.ts';

/** Bytes that are no such message. */
export class ProtobufError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtobufError';
  }
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly repeated: boolean;
  readonly map: boolean;
}

const MAGIC = Buffer.from('k8s\0', 'latin1');
const MAX_DEPTH = 64;

/** Members whose fields stand directly in their parent in JSON: `Message.member`. */
const INLINE = new Set([
  'core/v1.Volume.volumeSource',
  'core/v1.PersistentVolumeSpec.persistentVolumeSource',
  'core/v1.Probe.handler',
  'core/v1.EphemeralContainer.ephemeralContainerCommon',
  'networking/v1.IngressRule.ingressRuleValue',
  ...[
    'ConfigMapEnvSource',
    'ConfigMapKeySelector',
    'ConfigMapProjection',
    'ConfigMapVolumeSource',
    'SecretEnvSource',
    'SecretKeySelector',
    'SecretProjection',
  ].map((message) => `core/v1.${message}.localObjectReference`),
]);

/** Fields that protobuf and JSON spell differently. */
const SPELLINGS: Readonly<Record<string, string>> = { uID: 'uid', aPIGroup: 'apiGroup' };

/**
 * The wire has no `omitempty`: Go writes the zeros of all fields that are no pointers. Zeros of other fields than
 * these pointers are dropped, as JSON would not have them.
 */
const POINTERS = new Set(
  (
    'activeDeadlineSeconds allocateLoadBalancerNodePorts allowPrivilegeEscalation allowVolumeExpansion ' +
    'automountServiceAccountToken averageUtilization backoffLimit backoffLimitPerIndex blockOwnerDeletion ' +
    'completions controller defaultMode deletionGracePeriodSeconds enableServiceLinks expirationSeconds ' +
    'failedJobsHistoryLimit fsGroup gracePeriodSeconds hostUsers immutable manualSelector maxFailedIndexes ' +
    'minReplicas mode optional orphanDependents parallelism partition port priority privileged ' +
    'progressDeadlineSeconds readOnlyRootFilesystem ready replicas revisionHistoryLimit runAsGroup ' +
    'runAsNonRoot runAsUser serving setHostnameAsFQDN shareProcessNamespace startingDeadlineSeconds ' +
    'stabilizationWindowSeconds storageClassName successfulJobsHistoryLimit suspend terminating ' +
    'terminationGracePeriodSeconds timeoutSeconds tolerationSeconds ttlSecondsAfterFinished'
  ).split(' '),
);

let messages: Map<string, string> | undefined;
const parsed = new Map<string, ReadonlyMap<number, Field>>();

function fieldsOf(message: string): ReadonlyMap<number, Field> {
  const known = parsed.get(message);
  if (known !== undefined) return known;
  messages ??= new Map(
    fieldText
      .trim()
      .split('\n\n')
      .map((block) => [block.slice(0, block.indexOf('\n')), block.slice(block.indexOf('\n') + 1)]),
  );
  const lines = messages.get(message)?.split('\n');
  if (lines === undefined) throw new ProtobufError(`no message is called ${message}`);
  const fields = new Map(
    lines.map((line): [number, Field] => {
      const [number = '', name = '', first = '', second] = line.split(' ');
      const map = second !== undefined;
      const type = second ?? first.replace(/^\[\]/u, '');
      return [Number(number), { name: SPELLINGS[name] ?? name, type, repeated: first.startsWith('[]'), map }];
    }),
  );
  parsed.set(message, fields);
  return fields;
}

/** An object with its `apiVersion` and `kind`. @throws ProtobufError */
export function decodeKubernetesProtobuf(bytes: Buffer): Loose {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw new ProtobufError('the body does not start with k8s\\0');
  const envelope = decodeMessage(bytes.subarray(MAGIC.length), 'runtime.Unknown', 0);
  const { apiVersion = '', kind = '' } = isObject(envelope['typeMeta']) ? envelope['typeMeta'] : {};
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || kind === '') {
    throw new ProtobufError('the body names no kind');
  }
  const raw = Buffer.from(typeof envelope['raw'] === 'string' ? envelope['raw'] : '', 'base64');
  const object = decodeMessage(raw, messageOf(apiVersion, kind), 0);
  return { apiVersion, kind, ...object };
}

/** `rbac.authorization.k8s.io/v1`, `Role` → `rbac/v1.Role`. Options belong to no group. */
function messageOf(apiVersion: string, kind: string): string {
  if (kind.endsWith('Options')) return `meta/v1.${kind}`;
  const slash = apiVersion.indexOf('/');
  const [group = ''] = apiVersion.slice(0, Math.max(0, slash)).split('.');
  return `${group === '' ? 'core' : group}/${apiVersion.slice(slash + 1)}.${kind}`;
}

interface Reader {
  readonly bytes: Buffer;
  at: number;
}

function readVarint(reader: Reader): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined) break;
    reader.at += 1;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
  throw new ProtobufError('a number is cut off');
}

function readBytes(reader: Reader, length: number): Buffer {
  const { bytes, at } = reader;
  if (length < 0 || at + length > bytes.length) throw new ProtobufError('a field is cut off');
  reader.at = at + length;
  return bytes.subarray(at, at + length);
}

/** One value as it is on the wire: a number, eight or four bytes, or a length and bytes. */
function readValue(reader: Reader, wireType: number): bigint | Buffer {
  switch (wireType) {
    case 0:
      return readVarint(reader);
    case 1:
      return readBytes(reader, 8);
    case 2:
      return readBytes(reader, Number(readVarint(reader)));
    case 5:
      return readBytes(reader, 4);
    default:
      throw new ProtobufError(`wire type ${wireType} is not used`);
  }
}

function decodeMessage(bytes: Buffer, message: string, depth: number): Loose {
  if (depth > MAX_DEPTH) throw new ProtobufError('messages are nested too deeply');
  const fields = fieldsOf(message);
  const result: Loose = {};
  const reader: Reader = { bytes, at: 0 };
  while (reader.at < bytes.length) {
    const tag = Number(readVarint(reader));
    const value = readValue(reader, tag & 7);
    const field = fields.get(tag >>> 3);
    if (field === undefined) continue;
    const { name, type, repeated, map } = field;
    if (INLINE.has(`${message}.${name}`)) {
      Object.assign(result, decodeMessage(asBytes(value), type, depth + 1));
    } else if (map) {
      const [key, member] = mapEntry(asBytes(value), type, depth + 1);
      setKey((result[name] ??= {}) as Loose, key, member);
    } else if (repeated) {
      ((result[name] ??= []) as unknown[]).push(decodeValue(value, type, depth + 1));
    } else {
      const decoded = decodeValue(value, type, depth + 1);
      const isZero = decoded === undefined || decoded === '' || decoded === 0 || decoded === false;
      if (!isZero || (POINTERS.has(name) && decoded !== undefined)) result[name] = decoded;
    }
  }
  return result;
}

function asBytes(value: bigint | Buffer): Buffer {
  if (typeof value === 'bigint') throw new ProtobufError('a number stands where a message should');
  return value;
}

function mapEntry(bytes: Buffer, type: string, depth: number): [string, unknown] {
  const reader: Reader = { bytes, at: 0 };
  let key = '';
  let member: unknown = type === 'string' || type === 'bytes' ? '' : {};
  while (reader.at < bytes.length) {
    const tag = Number(readVarint(reader));
    const value = readValue(reader, tag & 7);
    if (tag >>> 3 === 1) key = asBytes(value).toString('utf8');
    else member = decodeValue(value, type, depth);
  }
  return [key, member];
}

/** `undefined` for what JSON leaves out. */
function decodeValue(value: bigint | Buffer, type: string, depth: number): unknown {
  switch (type) {
    case 'string':
      return asBytes(value).toString('utf8');
    case 'bytes':
      return asBytes(value).toString('base64');
    case 'bool':
      return value !== 0n;
    case 'int':
      return Number(value);
    case 'double':
      return asBytes(value).readDoubleLE();
    case 'resource.Quantity':
      return decodeMessage(asBytes(value), type, depth)['string'];
    case 'intstr.IntOrString': {
      const { type: kind = 0, intVal = 0, strVal = '' } = decodeMessage(asBytes(value), type, depth);
      return kind === 0 ? intVal : strVal;
    }
    case 'meta/v1.Time':
    case 'meta/v1.MicroTime':
      return decodeTime(decodeMessage(asBytes(value), type, depth), type);
    case 'meta/v1.Duration':
      return `${Number(decodeMessage(asBytes(value), type, depth)['duration'] ?? 0) / 1e9}s`;
    case 'meta/v1.FieldsV1':
    case 'runtime.RawExtension': {
      const raw =
        decodeMessage(asBytes(value), type, depth)['raw'] ??
        decodeMessage(asBytes(value), type, depth)['Raw'];
      return typeof raw === 'string'
        ? (JSON.parse(Buffer.from(raw, 'base64').toString('utf8')) as unknown)
        : undefined;
    }
    case 'authentication/v1.ExtraValue':
    case 'authorization/v1.ExtraValue':
      return decodeMessage(asBytes(value), type, depth)['items'] ?? [];
    default:
      return decodeMessage(asBytes(value), type, depth);
  }
}

function decodeTime({ seconds = 0, nanos = 0 }: Loose, type: string): string | undefined {
  // The zero time is written as an empty message or as year 1.
  if (typeof seconds !== 'number' || typeof nanos !== 'number' || seconds <= 0) return undefined;
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return type === 'meta/v1.Time'
    ? `${text}Z`
    : `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}
