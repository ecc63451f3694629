/**
 * The panels, in the order of the navigation. The module `panels/NAME.js` exports `mount(section, context)`.
 *
 * @type {{name: string, link: string, title: string, question: string}[]}
 */
export const PANELS = [
  {
    name: "login",
    link: "Log in three ways",
    title: "Log in three ways",
    question: "A session, a token in the page's hands, a token in a cookie: what goes over the wire, and who holds what afterwards?",
  },
  {
    name: "token",
    link: "The token",
    title: "The token, taken apart",
    question: "What does an access token say, who can check it, and what happens to one that was changed?",
  },
  {
    name: "keys",
    link: "The key set",
    title: "The keys behind it",
    question: "Which keys sign, which only verify, and what becomes of tokens when one is turned or lost?",
  },
  {
    name: "services",
    link: "Call the services",
    title: "One login, several services",
    question: "How do services that share nothing honour one login, which way does a request take, and where does its time go?",
  },
  {
    name: "replay",
    link: "Log out and replay",
    title: "Log out, and replay what was saved",
    question: "Somebody has saved your token, and you log out. Who goes on accepting it, and for how long?",
  },
  {
    name: "logins",
    link: "My logins",
    title: "Where you are logged in",
    question: "Which logins of yours go on, and how is one ended that is on another device?",
  },
  {
    name: "comparison",
    link: "The comparison",
    title: "Sessions and JWTs, measured",
    question: "What does each cost, and what can each do? A table from an article, and beside it what was measured.",
  },
];
