import { createHash } from 'node:crypto';
import type { Registry, ServedKind } from '../registry.ts';
import { discoveryDocument } from './discovery.ts';
import { encodeGnostic } from './gnostic.ts';
import type { JsonSchema } from './json-schema.ts';
import { groupVersionPath, openApiV3 } from './openapi-v3.ts';
import { openApiV2 } from './openapi-v2.ts';

/** Bytes ready to send. */
export interface EncodedDocument {
  readonly contentType: string;
  readonly body: Buffer;
  /** A strong entity tag, quoted. */
  readonly etag: string;
}

export interface ApiDocumentsOptions {
  readonly registry: Pick<Registry, 'kinds' | 'generation'>;
  /** Of Kubernetes: `v1.34.0+podnet`. */
  readonly version: string;
  /** The schema of a custom kind, when its definition has one. */
  readonly customSchema?: (kind: ServedKind) => JsonSchema | undefined;
  /** `127.0.0.1:6443`, for the legacy `/api` document. */
  readonly serverAddress?: string;
}

/** Documents about the API, made when first asked for and kept until the registry changes. */
export interface ApiDocuments {
  /** `/api`, `/apis` and below them; see `discoveryDocument`. Undefined for paths and groups that are not served. */
  discovery(path: string, accept: string): EncodedDocument | undefined;
  /** `/openapi/v2`, as JSON or, when the Accept header prefers it, as gnostic protobuf. */
  openApiV2(accept: string): EncodedDocument;
  /** `/openapi/v3` and `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`, in JSON; undefined for others. */
  openApiV3(path: string): EncodedDocument | undefined;
}

const GNOSTIC = 'application/com.github.proto-openapi.spec.v2';
const GNOSTIC_TYPE = `${GNOSTIC}.v1.0+protobuf`;
/** Discovery answers differ by Accept header, which the client chooses freely; this bounds what is kept. */
const MAX_CACHED = 500;

export function createApiDocuments(options: ApiDocumentsOptions): ApiDocuments {
  const { registry } = options;
  let cache = new Map<string, EncodedDocument | undefined>();
  let generation = registry.generation;
  const cached = (key: string, make: () => EncodedDocument | undefined): EncodedDocument | undefined => {
    if (generation !== registry.generation || cache.size > MAX_CACHED) {
      cache = new Map();
      generation = registry.generation;
    }
    if (!cache.has(key)) cache.set(key, make());
    return cache.get(key);
  };
  const groupVersion = (path: string): EncodedDocument | undefined =>
    cached(`v3 ${path}`, () => {
      const kinds = registry.kinds().filter((kind) => groupVersionPath(kind) === path);
      return kinds.length === 0 ? undefined : encode('application/json', openApiV3(kinds, options));
    });
  return {
    discovery: (path, accept) =>
      cached(`discovery ${path} ${accept}`, () => {
        const document = discoveryDocument(path, accept, registry.kinds(), options);
        return document && encode(document.contentType, document.body);
      }),
    openApiV2: (accept) => {
      const protobuf = prefersGnostic(accept);
      const make = (): EncodedDocument => {
        const document = openApiV2(registry.kinds(), options);
        return protobuf
          ? encode(GNOSTIC_TYPE, encodeGnostic(document))
          : encode('application/json', document);
      };
      return cached(protobuf ? 'v2 protobuf' : 'v2 json', make) as EncodedDocument;
    },
    openApiV3: (path) => {
      if (!/^\/openapi\/v3(?:\/|$)/.test(path)) return undefined;
      const name = path.replace(/^\/openapi\/v3\/?/, '').replace(/\/$/, '');
      if (name !== '') return groupVersion(name);
      return cached('v3', () => {
        const names = [...new Set(registry.kinds().map(groupVersionPath))];
        const entries = names.map((one): [string, object] => {
          const hash = groupVersion(one)?.etag.slice(1, -1).toUpperCase() ?? '';
          return [one, { serverRelativeURL: `/openapi/v3/${one}?hash=${hash}` }];
        });
        return encode('application/json', { paths: Object.fromEntries(entries) });
      });
    },
  };
}

function encode(contentType: string, body: object): EncodedDocument {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  return { contentType, body: bytes, etag: `"${createHash('sha256').update(bytes).digest('hex')}"` };
}

/** kubectl 1.20 asks with an `@` before the version, newer clients with a dot and JSON as second choice. */
function prefersGnostic(accept: string): boolean {
  const first = accept.split(',').find((range) => /proto-openapi|json|\*\/\*/.test(range));
  return first?.trim().startsWith(GNOSTIC) === true;
}
