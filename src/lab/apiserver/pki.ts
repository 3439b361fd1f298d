import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';

import { parseIp } from '../../model/ip.ts';
import * as der from './der.ts';

/** A certificate and its private key, both PEM. */
export interface Credential {
  readonly certificate: string;
  readonly key: string;
}

/** The lab's certificate authority and what it issues: EC P-256 keys, ECDSA with SHA-256, RFC 5280. */
export interface Pki {
  /** The authority's certificate, PEM. */
  readonly ca: string;
  /** Of the API server, for the hosts given to `createPki`. */
  readonly server: Credential;
  /** PEM of the EC P-256 key that signs service account tokens. */
  readonly tokenKey: string;
  /** A client certificate: the common name is the user, the organizations are the groups. */
  issue(subject: { readonly commonName: string; readonly organizations?: readonly string[] }): Credential;
}

export interface PkiOptions {
  /** DNS names and addresses of the API server. */
  readonly hosts: readonly string[];
  /** Ten years unless told. */
  readonly validityMs?: number;
}

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const ALGORITHM = der.sequence(der.objectIdentifier(OID.ecdsaWithSha256));
const TEN_YEARS_MS = 3650 * 24 * 3600 * 1000;
const CLOCK_SKEW_MS = 5 * 60 * 1000;

/** Makes a new authority; nothing is written to disk. */
export function createPki({ hosts, validityMs = TEN_YEARS_MS }: PkiOptions): Pki {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const authorityName = name('podnet-ca', []);
  const authorityKeyId = keyIdentifier(authority.publicKey);
  const notBefore = new Date(Date.now() - CLOCK_SKEW_MS);
  const notAfter = new Date(Date.now() + validityMs);

  function certificate(subject: Buffer, publicKey: KeyObject, extensions: readonly Buffer[]): string {
    const body = der.sequence(
      der.tagged(0, der.integer(Buffer.of(2))),
      der.integer(serialNumber()),
      ALGORITHM,
      authorityName,
      der.sequence(der.time(notBefore), der.time(notAfter)),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      der.tagged(3, der.sequence(...extensions)),
    );
    const signature = sign('sha256', body, authority.privateKey);
    return pem('CERTIFICATE', der.sequence(body, ALGORITHM, der.bitString(signature)));
  }

  function leaf(subject: Buffer, purpose: string, more: readonly Buffer[]): Credential {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const extensions = [
      extension(OID.keyUsage, der.bitString(Buffer.of(0b1000_0000), 7), { critical: true }),
      extension(OID.extendedKeyUsage, der.sequence(der.objectIdentifier(purpose))),
      extension(OID.basicConstraints, der.sequence(), { critical: true }),
      extension(OID.authorityKeyIdentifier, der.sequence(der.implicit(0, authorityKeyId))),
      ...more,
    ];
    return { certificate: certificate(subject, publicKey, extensions), key: keyPem(privateKey) };
  }

  return {
    ca: certificate(authorityName, authority.publicKey, [
      extension(OID.keyUsage, der.bitString(Buffer.of(0b1000_0110), 1), { critical: true }),
      extension(OID.basicConstraints, der.sequence(der.boolean(true)), { critical: true }),
      extension(OID.subjectKeyIdentifier, der.octetString(authorityKeyId)),
    ]),
    server: leaf(name('podnet-apiserver', []), OID.serverAuth, [
      extension(OID.subjectAltName, der.sequence(...hosts.map(alternativeName))),
    ]),
    tokenKey: keyPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    issue: ({ commonName, organizations = [] }) => leaf(name(commonName, organizations), OID.clientAuth, []),
  };
}

function attribute(oid: string, value: string): Buffer {
  return der.setOf(der.sequence(der.objectIdentifier(oid), der.utf8String(value)));
}

function name(commonName: string, organizations: readonly string[]): Buffer {
  return der.sequence(
    ...organizations.map((organization) => attribute(OID.organization, organization)),
    attribute(OID.commonName, commonName),
  );
}

function extension(oid: string, value: Buffer, { critical = false }: { critical?: boolean } = {}): Buffer {
  const parts = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(oid), ...parts, der.octetString(value));
}

function alternativeName(host: string): Buffer {
  if (isIP(host) === 0) return der.implicit(2, Buffer.from(host, 'latin1'));
  const { family, value } = parseIp(host);
  const hex = value.toString(16).padStart(family === 4 ? 8 : 32, '0');
  return der.implicit(7, Buffer.from(hex, 'hex'));
}

/** Twenty bytes at most and positive (RFC 5280, 4.1.2.2). */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

function keyPem(key: KeyObject): string {
  return key.export({ type: 'sec1', format: 'pem' });
}

function pem(label: string, body: Buffer): string {
  const lines = body.toString('base64').match(/.{1,64}/gu) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

export interface KubeconfigOptions {
  /** `https://127.0.0.1:6443`. */
  readonly server: string;
  readonly ca: string;
  /** Names the cluster, the user and the context. */
  readonly name: string;
  readonly credential: Credential;
  readonly namespace?: string;
}

/** A kubeconfig file with everything inlined. It is JSON, which is YAML too: nothing needs escaping. */
export function kubeconfig({
  server,
  ca,
  name: clusterName,
  credential,
  namespace,
}: KubeconfigOptions): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': clusterName,
    clusters: [{ name: clusterName, cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [
      {
        name: clusterName,
        user: {
          'client-certificate-data': base64(credential.certificate),
          'client-key-data': base64(credential.key),
        },
      },
    ],
    contexts: [
      {
        name: clusterName,
        context: {
          cluster: clusterName,
          user: clusterName,
          ...(namespace === undefined ? {} : { namespace }),
        },
      },
    ],
    preferences: {},
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
