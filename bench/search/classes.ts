import type { Search } from '../../src/search/statement.ts'

/** What is searched for. How often the words are in the records: see `src/seed.ts`. */
export interface TermClass { name: string, search: Pick<Search, 'query'> & Partial<Search> }

export const classes: TermClass[] = [
  { name: 'no match', search: { query: 'zzyzx' } },
  { name: 'rare word, 4 in 1,000,000', search: { query: 'holotype' } },
  { name: 'rare, inside a word', search: { query: 'olotyp' } },
  { name: 'medium word, 1 %', search: { query: 'replicated' } },
  { name: 'medium, inside a word', search: { query: 'eplicat' } },
  { name: 'common word, 6 %', search: { query: 'glacier' } },
  { name: 'common, inside a word', search: { query: 'lacie' } },
  { name: 'word in every record', search: { query: 'sample' } },
  { name: 'every record, three letters', search: { query: 'mpl' } },
  { name: 'empty text', search: { query: '' } },
  { name: 'rare word, status', search: { query: 'holotype', filters: { status: 'archived' } } },
  { name: 'medium word, three filters', search: { query: 'replicated', filters: { status: 'active', type: 'dataset', category: 'health' } } },
  { name: 'common word, category', search: { query: 'glacier', filters: { category: 'climate' } } },
  { name: 'filter without records', search: { query: 'sample', filters: { status: 'unheard of' } } },
  { name: 'medium word by rank', search: { query: 'replicated', order: 'rank' } },
  { name: 'common word by rank', search: { query: 'glacier', order: 'rank' } },
  { name: 'two letters', search: { query: 'qz' } }
]

/** These are also looked for where a cursor has come half way through the table. */
export const deep = ['rare word, 4 in 1,000,000', 'medium word, 1 %', 'common word, 6 %', 'word in every record']
