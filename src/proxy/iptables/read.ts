/** Rules by their chain, as iptables-save prints them, without `-A CHAIN`. */
export function readChains(saved: string): Map<string, string[]> {
  const chains = new Map<string, string[]>();
  for (const line of saved.split('\n')) {
    if (line.startsWith(':')) chains.set(line.slice(1, line.indexOf(' ')), []);
    if (!line.startsWith('-A ')) continue;
    const end = line.indexOf(' ', 3);
    // A rule that matches everything and does nothing is a bare `-A CHAIN`.
    const chain = line.slice(3, end < 0 ? undefined : end);
    chains.get(chain)?.push(end < 0 ? '' : line.slice(end + 1));
  }
  return chains;
}

/** The chain that a rule leads to, or the target that ends it. */
export function targetOfRule(rule: string): string | undefined {
  return /(?:^| )-[jg] (\S+)/.exec(withoutComment(rule))?.[1];
}

function withoutComment(rule: string): string {
  return rule.replace(/--comment (?:"(?:[^"\\]|\\.)*"|\S+)/g, '');
}
