import {
  createHash,
  createPrivateKey,
  createPublicKey,
  randomUUID,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';

import { isObject, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { TokenSubject } from '../server-core.ts';
import type { Store } from '../storage/store.ts';
import type { User } from './user.ts';

export const DEFAULT_ISSUER = 'https://kubernetes.default.svc.cluster.local';

export interface TokensOptions {
  /** PEM of an EC P-256 private key. */
  readonly key: string;
  readonly store: Store;
  readonly fixed: readonly { readonly token: string; readonly user: User }[];
  readonly now?: () => number;
}

/** Service account tokens: JWTs (RFC 7519) signed with ES256 (RFC 7518), bound to accounts that still exist. */
export interface Tokens {
  readonly issue: (subject: TokenSubject) => { token: string; expirationTimestamp: string };
  readonly authenticate: (token: string) => User | undefined;
  /** The JSON Web Key Set (RFC 7517) of `/openid/v1/jwks`. */
  readonly keySet: () => Loose;
}

const MAX_TOKEN_LENGTH = 16_384;
const CACHE_SIZE = 1024;

export function createTokens({ key, store, fixed, now = Date.now }: TokensOptions): Tokens {
  const privateKey = createPrivateKey(key);
  const publicKey = createPublicKey(privateKey);
  const keyId = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  const header = encode({ alg: 'ES256', kid: keyId, typ: 'JWT' });
  const fixedDigests = fixed.map(({ token, user }) => ({ digest: sha256(token), user }));
  /** Claims of tokens whose signature has been checked. */
  const verified = new Map<string, Loose>();

  function claimsOf(token: string): Loose | undefined {
    const known = verified.get(token);
    if (known !== undefined) return known;
    const [head = '', payload = '', signature = '', ...rest] = token.split('.');
    if (rest.length > 0 || head !== header) return undefined;
    const valid = verify(
      'sha256',
      Buffer.from(`${head}.${payload}`),
      { key: publicKey, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    );
    const claims: unknown = valid
      ? JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
      : undefined;
    if (!isObject(claims)) return undefined;
    const [oldest] = verified.keys();
    if (verified.size >= CACHE_SIZE && oldest !== undefined) verified.delete(oldest);
    verified.set(token, claims);
    return claims;
  }

  function serviceAccountUser(claims: Loose): User | undefined {
    const seconds = now() / 1000;
    if (
      claims['iss'] !== DEFAULT_ISSUER ||
      Number(claims['exp']) <= seconds ||
      Number(claims['nbf']) > seconds + 5
    ) {
      return undefined;
    }
    const kubernetes = objectAt(claims, 'kubernetes.io');
    const namespace = stringAt(kubernetes, 'namespace');
    const name = stringAt(kubernetes, 'serviceaccount', 'name');
    const uid = stringAt(kubernetes, 'serviceaccount', 'uid');
    const account = store.get({ storage: 'serviceaccounts', namespace, name });
    if (account === undefined || account.metadata.uid !== uid) return undefined;
    const pod = objectAt(kubernetes, 'pod');
    const podName = stringAt(pod, 'name');
    if (
      podName !== '' &&
      store.get({ storage: 'pods', namespace, name: podName })?.metadata.uid !== pod['uid']
    ) {
      return undefined;
    }
    return {
      name: `system:serviceaccount:${namespace}:${name}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      uid,
      ...(podName === ''
        ? {}
        : {
            extra: {
              'authentication.kubernetes.io/pod-name': [podName],
              'authentication.kubernetes.io/pod-uid': [stringAt(pod, 'uid')],
            },
          }),
    };
  }

  return {
    issue({ namespace, serviceAccount, audiences, expirationSeconds, pod }) {
      const issued = Math.floor(now() / 1000);
      const expires = issued + expirationSeconds;
      const claims = {
        aud: audiences.length === 0 ? [DEFAULT_ISSUER] : audiences,
        exp: expires,
        iat: issued,
        iss: DEFAULT_ISSUER,
        jti: randomUUID(),
        'kubernetes.io': { namespace, ...(pod === undefined ? {} : { pod }), serviceaccount: serviceAccount },
        nbf: issued,
        sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
      };
      const signed = `${header}.${encode(claims)}`;
      const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return {
        token: `${signed}.${signature.toString('base64url')}`,
        expirationTimestamp: new Date(expires * 1000).toISOString().replace('.000Z', 'Z'),
      };
    },
    authenticate(token) {
      if (token === '' || token.length > MAX_TOKEN_LENGTH) return undefined;
      const digest = sha256(token);
      const found = fixedDigests.find((entry) => timingSafeEqual(entry.digest, digest));
      if (found !== undefined) return found.user;
      try {
        const claims = claimsOf(token);
        return claims === undefined ? undefined : serviceAccountUser(claims);
      } catch {
        return undefined;
      }
    },
    keySet() {
      const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
      return { keys: [{ use: 'sig', kty, crv, x, y, alg: 'ES256', kid: keyId }] };
    },
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
