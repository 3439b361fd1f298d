/** The address that a reverse name stands for: `20.0.96.10.in-addr.arpa` is `10.96.0.20`'s (RFC 1035, RFC 3596). */
export function reverseAddress(name: string): string {
  const labels = name.split('.').slice(0, -2).toReversed();
  if (name.endsWith('.in-addr.arpa')) return labels.join('.');
  const digits = labels.join('');
  return (digits.match(/.{4}/gu) ?? []).join(':');
}
