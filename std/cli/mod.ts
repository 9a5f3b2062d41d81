export function parseArgs(): number { return 1; }
