import { createApiDocuments, type ApiDocuments, type ApiDocumentsOptions } from '../openapi/documents.ts';
import type { Loose } from '../json-value.ts';
import type { Reply } from './respond.ts';

/** Everything the server answers that is no object. */
export interface Documents {
  /** Paths that need no authentication. */
  open(path: string): Reply | undefined;
  /** Discovery, OpenAPI, `/openid`. */
  find(path: string, accept: string): Reply | undefined;
}

export interface DocumentsOptions extends ApiDocumentsOptions {
  readonly keySet: () => Loose;
  readonly issuer: string;
}

export function createDocuments({ keySet, issuer, ...options }: DocumentsOptions): Documents {
  let made: ApiDocuments | undefined;
  const documents = (): ApiDocuments => (made ??= createApiDocuments(options));
  const { version } = options;
  return {
    open(path) {
      if (path === '/version' || path === '/version/') return { status: 200, body: versionDocument(version) };
      if (/^\/(?:healthz|livez|readyz)(?:\/[-a-z]+)?$/u.test(path)) {
        return { status: 200, body: 'ok', contentType: 'text/plain; charset=utf-8' };
      }
      return undefined;
    },
    find(path, accept) {
      switch (path) {
        case '/':
          return {
            status: 200,
            body: {
              paths: [
                '/api',
                '/apis',
                '/healthz',
                '/livez',
                '/openapi/v2',
                '/openapi/v3',
                '/readyz',
                '/version',
              ],
            },
          };
        case '/.well-known/openid-configuration':
          return { status: 200, body: openIdConfiguration(issuer) };
        case '/openid/v1/jwks':
          return { status: 200, body: keySet(), contentType: 'application/jwk-set+json' };
        case '/openapi/v2':
          return encoded(documents().openApiV2(accept));
        default:
          if (path.startsWith('/openapi/v3')) return encoded(documents().openApiV3(path));
          return isDiscoveryPath(path) ? encoded(documents().discovery(path, accept)) : undefined;
      }
    },
  };
}

/** `/api`, `/api/v1`, `/apis`, `/apis/GROUP`, `/apis/GROUP/VERSION`. */
function isDiscoveryPath(path: string): boolean {
  return /^\/(?:api(?:\/[^/]+)?|apis(?:\/[^/]+){0,2})\/?$/u.test(path);
}

function encoded(
  document: { contentType: string; body: Buffer; etag: string } | undefined,
): Reply | undefined {
  if (document === undefined) return undefined;
  const { contentType, body, etag } = document;
  return { status: 200, body, contentType, headers: { etag } };
}

function versionDocument(version: string): Loose {
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/u.exec(version) ?? [];
  return {
    major,
    minor,
    gitVersion: version,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: 'node',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}

function openIdConfiguration(issuer: string): Loose {
  return {
    issuer,
    jwks_uri: `${issuer}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  };
}
