import { stringify } from 'yaml';
import type { Credential } from './apiserver/pki.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A kubeconfig of one cluster, one user and one context, complete in itself. */
export function kubeconfigText({
  name,
  server,
  user,
  ca,
  identity,
}: {
  name: string;
  server: string;
  user: string;
  /** PEM. */
  ca: string;
  identity: Credential;
}): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [
      {
        name: user,
        user: {
          'client-certificate-data': base64(identity.certificate),
          'client-key-data': base64(identity.key),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user, namespace: 'default' } }],
    'current-context': name,
  });
}
