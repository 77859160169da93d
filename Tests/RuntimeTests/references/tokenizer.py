"""Makes the reference of TokenizerTests with Hugging Face's tokenizers (0.23): a tokenizer, a text, and its ids.

python tokenizer.py  writes tokenizer.json, tokenizer_text.txt, tokenizer_learn.txt (what it was trained on) and tokenizer_ids.txt beside it.
"""
import pathlib
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

here = pathlib.Path(__file__).parent
learn = ("the thinker thinks that the thing is thin; it's 'tis, they're we'll I'd we've I'm don't 2024 1999 19\n" * 3
         + "na\u00efve caf\u00e9 \u5317\u4eac \u5317\u4eac na\u00efve\n\n    indented   lines\t\n")
text = (learn + "Hello, World!  two blanks   three \n \n\t tab\r\n 'sit 'LL 'll'll x's' 12ab34 \u0661\u0662 \u00bd\u00b2 \u2167 e\u0301 \U0001f600\U0001f600 "
        + "\u00a0nbsp\u2003em \u200bzero \u0928\u092e\u0938\u094d\u0924\u0947 _under_score -- ... end   ")
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
tokenizer.train_from_iterator([learn], trainer)
tokenizer.save(str(here / "tokenizer.json"))
ids = tokenizer.encode(text).ids
assert tokenizer.decode(ids) == text
(here / "tokenizer_text.txt").write_bytes(text.encode())
(here / "tokenizer_learn.txt").write_bytes(learn.encode())
(here / "tokenizer_ids.txt").write_text(" ".join(map(str, ids)) + "\n")
