import type { Registry, ServedKind } from '../registry.ts';
import type { JsonSchema } from './json-schema.ts';

/** Bytes ready to send. */
export interface EncodedDocument {
  readonly contentType: string;
  readonly body: Buffer;
  /** A strong entity tag, quoted. */
  readonly etag: string;
}

export interface ApiDocumentsOptions {
  readonly registry: Registry;
  /** Of Kubernetes: `v1.34.0+podnet`. */
  readonly version: string;
  /** The schema of a custom kind, when its definition has one. */
  readonly customSchema?: (kind: ServedKind) => JsonSchema | undefined;
  /** `127.0.0.1:6443`, for the legacy `/api` document. */
  readonly serverAddress?: string;
}

/** Documents about the API, made when first asked for and kept until the registry changes. */
export interface ApiDocuments {
  /** `/api`, `/apis` and below them; see `discoveryDocument`. */
  discovery(path: string, accept: string): EncodedDocument | undefined;
  /** `/openapi/v2`, as JSON or gnostic protobuf by the Accept header. */
  openApiV2(accept: string): EncodedDocument;
  /** `/openapi/v3` and `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`; undefined for others. */
  openApiV3(path: string, accept: string): EncodedDocument | undefined;
}

export function createApiDocuments(_options: ApiDocumentsOptions): ApiDocuments {
  throw new Error('not yet');
}
