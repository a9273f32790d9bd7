"""Common Brazilian names and places, from which synthetic people are put together."""

FEMALE_NAMES = (
    *("Ana", "Beatriz", "Camila", "Cláudia", "Débora", "Eduarda", "Fernanda", "Gabriela"),
    *("Helena", "Inês", "Isabela", "Joana", "Juliana", "Larissa", "Letícia", "Luísa"),
    *("Manuela", "Márcia", "Mariana", "Natália", "Patrícia", "Priscila", "Rafaela", "Regina"),
    *("Renata", "Rosângela", "Sônia", "Tânia", "Tereza", "Valéria", "Vitória", "Yasmin"),
)

MALE_NAMES = (
    *("André", "Antônio", "Bruno", "Caio", "Carlos", "César", "Daniel", "Diego"),
    *("Eduardo", "Fábio", "Felipe", "Francisco", "Gustavo", "Heitor", "Henrique", "Igor"),
    *("João", "Jorge", "José", "Leandro", "Lucas", "Luís", "Marcelo", "Mateus"),
    *("Otávio", "Paulo", "Pedro", "Rafael", "Roberto", "Sérgio", "Thiago", "Vinícius"),
)

FAMILY_NAMES = (
    *("Almeida", "Alves", "Araújo", "Barbosa", "Barros", "Batista", "Borges", "Campos"),
    *("Cardoso", "Carvalho", "Castro", "Conceição", "Costa", "Cunha", "da Silva", "de Lima"),
    *("de Souza", "Dias", "do Nascimento", "dos Santos", "Duarte", "Fernandes", "Ferreira"),
    *("Freitas", "Gomes", "Gonçalves", "Lopes", "Machado", "Magalhães", "Martins", "Melo"),
    *("Mendes", "Monteiro", "Moraes", "Moreira", "Nogueira", "Nunes", "Oliveira", "Pereira"),
    *("Pinto", "Ramos", "Rezende", "Ribeiro", "Rocha", "Rodrigues", "Teixeira", "Vieira"),
)

# City and the two-letter code of its state.
CITIES = (
    *(("São Paulo", "SP"), ("Campinas", "SP"), ("Santos", "SP"), ("Rio de Janeiro", "RJ")),
    *(("Niterói", "RJ"), ("Belo Horizonte", "MG"), ("Uberlândia", "MG"), ("Curitiba", "PR")),
    *(("Porto Alegre", "RS"), ("Florianópolis", "SC"), ("Salvador", "BA"), ("Recife", "PE")),
    *(("Fortaleza", "CE"), ("Brasília", "DF"), ("Goiânia", "GO"), ("Belém", "PA")),
)
