// A whole list as one table for a spreadsheet, page by page from the server.
//
// Not here: what a cell may hold; the server sees to it that none begins a formula. Invariant: the
// header stands once, at the top.

/** Without it spreadsheets on Windows take UTF-8 for their own alphabet: `Füllanlage` is lost. */
export const BYTE_ORDER_MARK = '\uFEFF';

export interface TablePage {
  text: string;
  next: string | null;
}

export async function wholeTable(
  read: (cursor: string | null) => Promise<TablePage>,
): Promise<string> {
  let text = BYTE_ORDER_MARK;
  let cursor: string | null = null;
  do {
    const page: TablePage = await read(cursor);
    text += cursor === null ? page.text : page.text.slice(page.text.indexOf('\n') + 1);
    cursor = page.next;
  } while (cursor !== null);
  return text;
}
